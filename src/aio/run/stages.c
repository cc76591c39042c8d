#include "aio/run/stages.h"

#include <stddef.h>
#include <string.h>

static const char *const names[AIO_STAGES] = {
    [AIO_STAGE_NONE] = "",
    [AIO_PREFLIGHT] = "preflight",
    [AIO_WAITING_APACHE] = "waiting_apache",
    [AIO_WAITING_WATCHTOWER] = "waiting_watchtower",
    [AIO_WAITING_BORG] = "waiting_borg",
    [AIO_UPDATING_MASTERCONTAINER] = "updating_mastercontainer",
    [AIO_PULLING] = "pulling",
    [AIO_STOPPING] = "stopping",
    [AIO_BACKING_UP] = "backing_up",
    [AIO_PRUNING] = "pruning",
    [AIO_COMPACTING] = "compacting",
    [AIO_CHECKING] = "checking",
    [AIO_STARTING] = "starting",
    [AIO_NOTIFYING] = "notifying",
    [AIO_VERIFYING] = "verifying",
    [AIO_DONE] = "done",
};

enum how { WHOLE, BEGINS, ENDS, HOLDS };

struct row {
    enum how how;
    const char *text;
    enum aio_stage stage;
    enum aio_mark mark;
};

/* daily-backup.sh, in its order. "Creating daily backup..." stops the stack first, for minutes;
 * the backup begins with the borgbackup container. */
static const struct row script_rows[] = {
    {WHOLE, "Daily backup script has started", AIO_STAGE_NONE, AIO_MARK_STARTED},
    {WHOLE, "Initial configuration via AIO interface not done yet. Exiting...", AIO_STAGE_NONE,
     AIO_MARK_NOT_SET_UP},
    {WHOLE, "Backup container is running in restore mode. Exiting to not interrupt the restore...",
     AIO_STAGE_NONE, AIO_MARK_RESTORING},
    {WHOLE, "Daily backup and backup check cannot be run at the same time. Exiting...",
     AIO_STAGE_NONE, AIO_MARK_CONTRADICTION},
    {WHOLE, "Waiting for apache to become available", AIO_WAITING_APACHE, AIO_MARK_NONE},
    {WHOLE, "Waiting for watchtower to stop", AIO_WAITING_WATCHTOWER, AIO_MARK_NONE},
    {WHOLE, "Waiting for borgbackup to stop", AIO_WAITING_BORG, AIO_MARK_NONE},
    {WHOLE, "Starting mastercontainer update...", AIO_UPDATING_MASTERCONTAINER, AIO_MARK_NONE},
    {WHOLE, "Updating container images...", AIO_PULLING, AIO_MARK_NONE},
    {WHOLE, "Stopping containers...", AIO_STOPPING, AIO_MARK_NONE},
    {WHOLE, "Creating daily backup...", AIO_STOPPING, AIO_MARK_NONE},
    {WHOLE, "Waiting for backup container to stop", AIO_BACKING_UP, AIO_MARK_NONE},
    {WHOLE, "Starting backup check...", AIO_CHECKING, AIO_MARK_NONE},
    {WHOLE, "Starting and updating containers...", AIO_STARTING, AIO_MARK_NONE},
    {WHOLE, "Starting containers without updating them...", AIO_STARTING, AIO_MARK_NONE},
    {WHOLE, "Waiting for the Nextcloud container to start", AIO_STARTING, AIO_MARK_NONE},
    {WHOLE, "Sending backup notification...", AIO_NOTIFYING, AIO_MARK_NONE},
    {WHOLE, "Daily backup script has finished", AIO_STAGE_NONE, AIO_MARK_FINISHED},
    {BEGINS, "Something seems to be wrong: ", AIO_STAGE_NONE, AIO_MARK_WRONG},
    {0},
};

/* backupscript.sh and what borg 1.4 itself prints; the first row that fits counts. */
static const struct row borg_rows[] = {
    {WHOLE, "Initializing repository...", AIO_BACKING_UP, AIO_MARK_NONE},
    {WHOLE, "Repository successfully initialized.", AIO_BACKING_UP, AIO_MARK_BORG_INITIALISED},
    {WHOLE, "Performing backup...", AIO_BACKING_UP, AIO_MARK_NONE},
    {WHOLE, "Starting the backup...", AIO_BACKING_UP, AIO_MARK_NONE},
    {WHOLE, "Pruning the archives...", AIO_PRUNING, AIO_MARK_NONE},
    {WHOLE, "Compacting the archives...", AIO_COMPACTING, AIO_MARK_NONE},
    {WHOLE, "Starting the backup for additional volumes...", AIO_BACKING_UP, AIO_MARK_NONE},
    {WHOLE, "Pruning additional volumes...", AIO_PRUNING, AIO_MARK_NONE},
    {WHOLE, "Compacting additional volumes...", AIO_COMPACTING, AIO_MARK_NONE},
    {WHOLE, "Starting the backup for additional host mounts...", AIO_BACKING_UP, AIO_MARK_NONE},
    {WHOLE, "Pruning additional host mounts...", AIO_PRUNING, AIO_MARK_NONE},
    {WHOLE, "Compacting additional host mounts...", AIO_COMPACTING, AIO_MARK_NONE},
    {WHOLE, "Checking the backup integrity...", AIO_CHECKING, AIO_MARK_NONE},

    {BEGINS, "Backup finished successfully on ", AIO_STAGE_NONE, AIO_MARK_BORG_SUCCEEDED},
    {BEGINS, "Check finished successfully on ", AIO_STAGE_NONE, AIO_MARK_BORG_SUCCEEDED},
    {BEGINS, "However a Nextcloud update failed.", AIO_STAGE_NONE, AIO_MARK_BORG_UPDATE_FAILED},
    {BEGINS, "This archive: ", AIO_STAGE_NONE, AIO_MARK_BORG_STATS},
    {WHOLE, "Deleting the failed backup archive...", AIO_STAGE_NONE, AIO_MARK_BORG_DISCARDED},
    {WHOLE, "Backup failed!", AIO_STAGE_NONE, AIO_MARK_BORG_FAILED},
    {WHOLE, "Cannot create a backup now.", AIO_STAGE_NONE, AIO_MARK_BORG_FAILED},

    {ENDS, " is not a mountpoint which is not allowed.", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {ENDS, " is missing which is not intended.", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "Not continuing because aio-lockfile exists", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "configuration.json not present.", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "It seems like the configuration.json setup was not done correctly.", AIO_STAGE_NONE,
     AIO_MARK_BORG_REASON},
    {ENDS, " is missing. Cannot perform backup!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "The .ncdata or .ocdata file is missing ", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {ENDS, " is empty which should not happen!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "Reason is that ", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "Borg could not get info from ", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {BEGINS, "Did not find borg.config file ", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {WHOLE, "Could not initialize borg repository.", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {HOLDS, "Failed to create/acquire the lock ", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {HOLDS, "No space left on device", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {WHOLE, "Failed to prune archives!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {WHOLE, "Failed to compact archives!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {WHOLE, "Backup of additional docker-volumes failed!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {WHOLE, "Backup of additional host-mounts failed!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
    {WHOLE, "Some errors were found while checking the backup integrity!", AIO_STAGE_NONE,
     AIO_MARK_BORG_REASON},

    {ENDS, ": file changed while we backed it up", AIO_STAGE_NONE, AIO_MARK_BORG_WARNING},
    {HOLDS, ": [Errno ", AIO_STAGE_NONE, AIO_MARK_BORG_WARNING},
    {ENDS, " never matched.", AIO_STAGE_NONE, AIO_MARK_BORG_WARNING},
    {0},
};

const char *aio_stage_name(enum aio_stage s)
{
    return s < AIO_STAGES ? names[s] : "";
}

static bool fits(const struct row *r, const char *line)
{
    size_t n = strlen(line), k = strlen(r->text);
    switch (r->how) {
    case WHOLE:
        return strcmp(line, r->text) == 0;
    case BEGINS:
        return strncmp(line, r->text, k) == 0;
    case ENDS:
        return n >= k && strcmp(line + n - k, r->text) == 0;
    case HOLDS:
        return strstr(line, r->text) != NULL;
    }
    return false;
}

static enum aio_stage look_up(const struct row *rows, const char *line, enum aio_mark *mark)
{
    const struct row *r = rows;
    while (r->text && !fits(r, line))
        r++;
    if (mark)
        *mark = r->mark;
    return r->stage;
}

enum aio_stage aio_script_line(const char *line, enum aio_mark *mark)
{
    return look_up(script_rows, line, mark);
}

enum aio_stage aio_borg_line(const char *line, enum aio_mark *mark)
{
    return look_up(borg_rows, line, mark);
}

bool aio_stage_waits(enum aio_stage s)
{
    return s == AIO_WAITING_APACHE || s == AIO_WAITING_WATCHTOWER || s == AIO_WAITING_BORG;
}
