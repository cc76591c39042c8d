/* context: what every program that a job runs is started with, given once by the daemon. All of it
 * outlives every job. */
#ifndef BACKUP_RUN_CONTEXT_H
#define BACKUP_RUN_CONTEXT_H

#include "backup/run/borgmatic.h"
#include "base/secret.h"

#include <uv.h>

enum { CONTEXT_MASKED = 4 };

struct backup_context {
    uv_loop_t *loop;
    const struct borgmatic_tools *tools; /* whoever keeps a context copies what this points to */
    const char *const *env;              /* base environment of children, NULL-terminated */
    const char *path, *tz, *state_dir;
    /* The daemon's own secrets, so that no program's output shows them; NULL where there is none.
     */
    const struct secret *masked[CONTEXT_MASKED];
};

#endif
