/* container: one of AIO's containers as the Engine describes it. Pure.
 *
 * The Engine says "Running" also of a container that restarts for ever or is paused: neither
 * serves. Health is what the image's own check says, and AIO's checks say "healthy" also while what
 * they depend on is down. */
#ifndef AIO_LOOK_CONTAINER_H
#define AIO_LOOK_CONTAINER_H

#include "base/jsonw.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AIO_CONTAINER_NAME = 128, AIO_VERSION = 32 };

struct aio_container {
    char name[AIO_CONTAINER_NAME], id[65], image[256];
    char state[16];  /* the Engine's: created, running, restarting, exited, … */
    char health[16]; /* healthy, unhealthy, starting, or "" without a check */
    char status[64]; /* the Engine's words: "Up 3 minutes" */
    bool running;    /* state is "running": neither restarting nor paused */
    bool restarting;
    int exit_code;                   /* 0 while it runs */
    int64_t started_ms, finished_ms; /* Unix time; 0: never */
};

/* Of the Engine's answer to "inspect"; false when it is not of the form. `status` stays "": only
 * the list has it. */
bool aio_container_read(const json_t *inspect, struct aio_container *out);
/* Something of it still acts: it runs, restarts or is paused. */
bool aio_container_active(const struct aio_container *c);
/* {id,name,image,status,running,state,health,restarting,since,exit_code}: `since` is when the state
 * of now began, Unix seconds; exit_code null while it runs and when it never did. */
void aio_container_write(const struct aio_container *c, struct jsonw *w);

/* The value of an entry of the container's environment, borrowed, or NULL. The environment is full
 * of secrets: only names that hold none may be asked for. */
const char *aio_container_env(const json_t *inspect, const char *name);
/* AIO's version of nextcloud-aio-nextcloud's environment ("13.6.0", a leading 'v' left out), or "".
 * `inspect` may be NULL. */
void aio_version_read(const json_t *inspect, char out[AIO_VERSION]);

/* A process list of the Engine: does one of the processes name `script` as a word of its command
 * line? False when `top` is no process list. */
bool aio_top_names(const json_t *top, const char *script, bool *named);

/* "2026-01-01T04:00:05.123456789Z" as Unix milliseconds; 0 for "never" (year 1) and for what is no
 * time. */
int64_t aio_time_read(const char *text);

#endif
