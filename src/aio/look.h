/* look: what AIO's containers do right now, asked of the Engine. Blocks; a task's thread.
 *
 * Whether a run is active is read from the mastercontainer's process list and from the borgbackup
 * and watchtower containers; AIO's lock file is only a hint (aio.md §1.4). */
#ifndef AIO_LOOK_H
#define AIO_LOOK_H

#include "aio/context.h"
#include "base/jsonw.h"
#include "docker/engine.h"

#include <stdbool.h>
#include <stdint.h>

enum { AIO_CONTAINERS_MAX = 64, AIO_CONTAINER_NAME = 128 };

struct aio_container {
    char name[AIO_CONTAINER_NAME], id[65], image[256];
    char state[16];  /* the Engine's: created, running, restarting, exited, … */
    char health[16]; /* healthy, unhealthy, starting, or "" without a check */
    char status[64]; /* the Engine's words: "Up 3 minutes" */
    bool running, restarting;
    int exit_code;                   /* 0 while it runs */
    int64_t started_ms, finished_ms; /* Unix time; 0: never */
};

struct aio_look {
    bool master_found;
    struct aio_container master;
    char version[32];    /* of AIO, or "" when it could not be told */
    bool script_running; /* /daily-backup.sh in the mastercontainer's process list */
    bool script_known;   /* false: the list could not be read (proxy); see script_why */
    struct err script_why;
    bool borg_running, watchtower_running;
    bool stack_up;                                       /* apache and nextcloud run */
    struct aio_container containers[AIO_CONTAINERS_MAX]; /* all nextcloud-aio-*, by name */
    size_t count;
};

/* False when the Engine cannot be asked; a mastercontainer that is not there is an answer. */
bool aio_look(struct engine *en, const struct aio_context *x, struct aio_look *out, struct err *e);
/* A run of whoever is active: script, borgbackup or watchtower; `what` gets its name, static. */
bool aio_look_busy(const struct aio_look *l, const char **what);
const struct aio_container *aio_look_find(const struct aio_look *l, const char *name);
/* {name,state,health,running,restarting,since,exit_code,…} */
void aio_container_write(const struct aio_container *c, struct jsonw *w);

#endif
