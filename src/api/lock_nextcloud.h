/* lock_nextcloud: what breaking all locks says of Nextcloud, which the reference API restarts then.
 *
 * A lock of a repository has nothing to do with whether Nextcloud runs, and a restart takes it down
 * for minutes: it is never restarted here. Whatever of ours stopped it starts it again itself, or
 * is told to by POST /emergency/resume; the answer says which it is, and how it can be started. */
#ifndef API_LOCK_NEXTCLOUD_H
#define API_LOCK_NEXTCLOUD_H

#include "api/app.h"
#include "base/jsonw.h"
#include "docker/engine.h"

#include <stdbool.h>

struct lock_nextcloud {
    const struct aio_context *aio;
    bool expected;      /* AIO_MASTER is set: no Docker is a failure */
    const char *reason; /* static; NULL until it is known */
    struct err problem;
    char hint[256];
};

/* Loop's thread. True when the Engine is to be asked first (lock_nextcloud_look). */
bool lock_nextcloud_begin(const struct app *app, struct lock_nextcloud *n);
/* In a task; `data` is a struct lock_nextcloud. */
void lock_nextcloud_look(struct engine *en, void *data);
/* {"skipped":true,"reason"} or {"error":…} */
void lock_nextcloud_write(const struct lock_nextcloud *n, struct jsonw *w);

#endif
