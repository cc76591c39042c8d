/* stages: the daily script's lines as stages (aio.md §1.7). Whole lines of stdout only. Pure. */
#ifndef AIO_STAGES_H
#define AIO_STAGES_H

#include <stdbool.h>

enum aio_stage {
    AIO_STAGE_NONE, /* a line without one */
    AIO_PREFLIGHT,
    AIO_WAITING_APACHE,
    AIO_WAITING_WATCHTOWER,
    AIO_WAITING_BORG,
    AIO_UPDATING_MASTERCONTAINER,
    AIO_PULLING,
    AIO_STOPPING,
    AIO_BACKING_UP,
    AIO_PRUNING,
    AIO_COMPACTING,
    AIO_CHECKING,
    AIO_STARTING,
    AIO_NOTIFYING,
    AIO_VERIFYING,
    AIO_DONE,
    AIO_STAGES
};
const char *aio_stage_name(enum aio_stage s); /* "waiting_apache", … */

/* What a line says beside its stage. */
enum aio_mark {
    AIO_MARK_NONE,
    AIO_MARK_STARTED,
    AIO_MARK_FINISHED,      /* the only proof of a complete run */
    AIO_MARK_NOT_SET_UP,    /* nothing was done: the wizard is not done */
    AIO_MARK_RESTORING,     /* nothing was done: restore mode */
    AIO_MARK_CONTRADICTION, /* backup and check at once */
    AIO_MARK_WRONG,         /* "Something seems to be wrong: …" */
};
/* Of the daily script's stdout, and of the borgbackup container's log. */
enum aio_stage aio_script_line(const char *line, enum aio_mark *mark);
enum aio_stage aio_borg_line(const char *line, bool *finished, bool *failed);

#endif
