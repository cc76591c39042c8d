/* look: what AIO's containers do right now, asked of the Engine. Blocks; a task's thread.
 *
 * Whether a run is active is read from the mastercontainer's process list and from the borgbackup
 * and watchtower containers. AIO's lock file (daily_backup_running) is only a hint: the script
 * never refuses because of it, and it outlives a run that was killed. */
#ifndef AIO_LOOK_LOOK_H
#define AIO_LOOK_LOOK_H

#include "aio/context.h"
#include "aio/look/container.h"
#include "docker/engine.h"

#include <stdbool.h>
#include <stddef.h>

enum { AIO_CONTAINERS_MAX = 64 };

struct aio_look {
    bool master_found;
    struct aio_container master;
    char version[AIO_VERSION]; /* of AIO, or "" when it could not be told */
    bool script_running;       /* /daily-backup.sh in the mastercontainer's process list */
    bool script_known;         /* false: the list could not be read (proxy); see script_why */
    struct err script_why;
    bool borg_running, watchtower_running;
    bool stack_up; /* apache and nextcloud run and do not restart: not yet that it serves */
    struct aio_container containers[AIO_CONTAINERS_MAX]; /* all nextcloud-aio-*, by name */
    size_t count;
};

/* False when the Engine cannot be asked; a mastercontainer that is not there (or that is not
 * configured: AIO_MASTER empty) is an answer. */
bool aio_look(struct engine *en, const struct aio_context *x, struct aio_look *out, struct err *e);
/* A run of whoever is active: script, borgbackup or watchtower; `what` gets its name, static. */
bool aio_look_busy(const struct aio_look *l, const char **what);
const struct aio_container *aio_look_find(const struct aio_look *l, const char *name);

#endif
