/* stages: the daily script's lines as stages (AIO daily-backup.sh, backupscript.sh). Pure. */
#ifndef AIO_RUN_STAGES_H
#define AIO_RUN_STAGES_H

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
    /* of the daily script */
    AIO_MARK_STARTED,
    AIO_MARK_FINISHED,      /* the only proof of a complete run */
    AIO_MARK_NOT_SET_UP,    /* nothing was done: the wizard is not done */
    AIO_MARK_RESTORING,     /* nothing was done: restore mode */
    AIO_MARK_CONTRADICTION, /* nothing was done: backup and check at once */
    AIO_MARK_WRONG,         /* "Something seems to be wrong: …" */
    /* of the borgbackup container's log */
    AIO_MARK_BORG_INITIALISED,   /* it made the repository */
    AIO_MARK_BORG_STATS,         /* borg came to the end of the archive, maybe with warnings */
    AIO_MARK_BORG_DISCARDED,     /* the archive of a failed backup is deleted */
    AIO_MARK_BORG_SUCCEEDED,     /* the success line of a backup or check */
    AIO_MARK_BORG_FAILED,        /* a sentence that says only that it failed */
    AIO_MARK_BORG_REASON,        /* a sentence that says why it failed */
    AIO_MARK_BORG_WARNING,       /* borg's own warning about a file: AIO makes it a failure */
    AIO_MARK_BORG_UPDATE_FAILED, /* after the success line: an update of Nextcloud had failed */
};
/* A line of the daily script's stdout, and one of the borgbackup container's log. `mark` may be
 * NULL. Lines are compared whole, without their end. */
enum aio_stage aio_script_line(const char *line, enum aio_mark *mark);
enum aio_stage aio_borg_line(const char *line, enum aio_mark *mark);
/* True in the stages where the script only waits and has not stopped anything. */
bool aio_stage_waits(enum aio_stage s);

#endif
