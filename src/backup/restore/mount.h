/* mount: a plan whose work is a mount: `borg mount --foreground` runs as long as it exists.
 *
 * The job is ready (job_set_ready) when the mount is seen in mountinfo. It ends when the mount is
 * taken away: by its time to live (the job's deadline), on request, because a job that writes wants
 * the repository, because the daemon goes down; all of these are `succeeded`, word `unmounted`.
 * borg is never killed while it is mounted. Busy mounts are waited for MOUNT_GRACE_MS, then
 * detached. Loop's thread only. */
#ifndef BACKUP_RESTORE_MOUNT_H
#define BACKUP_RESTORE_MOUNT_H

#include "backup/restore/destination.h"
#include "backup/run/operation.h"

struct mount_spec {
    struct destination *point; /* taken: fd is −1 afterwards */
    const char *archive;       /* copied; NULL: see newest */
    bool newest;               /* the newest archive; else, without a name, the whole repository */
};

/* The plan's data; NULL when memory is gone (the destination is then dropped). */
void *mount_new(uv_loop_t *loop, const struct mount_spec *spec);
extern const struct operation_plan mount_plan;

/* ---- those that exist ---- */
struct mount;
/* Each that is mounted, in order of creation. */
void mounts_each(void (*each)(void *arg, const struct mount *m), void *arg);
/* The one at this path, also when it is about to come or to go; or NULL. */
struct mount *mounts_find(const char *point);
const char *mount_point(const struct mount *m);
const char *mount_archive(const struct mount *m);    /* NULL: the whole repository */
const char *mount_repository(const struct mount *m); /* its label or name */
struct job *mount_job(const struct mount *m);        /* NULL: it has not begun */
int64_t mount_since_ms(const struct mount *m);       /* Unix time; 0: not yet mounted */

/* Takes it away on request; `done` once, never from inside. Not `lazy` and busy: ERR_MOUNT_BUSY,
 * and it stays. After success the job is about to end. False when it is just coming or going,
 * or memory is gone. */
bool mount_unmount(struct mount *m, bool lazy, void (*done)(void *arg, const struct err *e),
                   void *arg);

#endif
