/* Shared by mount.c (how a mount comes and what becomes of its job) and mount_leave.c (how it
 * goes). */
#ifndef BACKUP_RESTORE_MOUNT_INTERNAL_H
#define BACKUP_RESTORE_MOUNT_INTERNAL_H

#include "backup/archives/archive_name.h"
#include "backup/restore/mount.h"
#include "backup/restore/mount_release.h"

struct mount {
    struct mount *next;
    uv_loop_t *loop;
    uv_timer_t timer; /* looks for the mount, then for borg's end */
    struct operation *op;
    struct destination d;
    char archive[ARCHIVE_NAME_MAX + 1];
    char device[32];
    bool newest, running, mounted, late, cancelled, stuck;
    bool leaving;    /* somebody wants it to go */
    const char *why; /* who; static */
    uint64_t began;
    int64_t since_ms;
    struct mount_release *release;
    void (*asked)(void *arg, const struct err *e); /* mount_unmount's */
    void *asked_arg;
};

/* Takes it away, however long it is busy (MOUNT_GRACE_MS); then the job ends. */
void mount_leave(struct mount *m);
struct mount_release *mount_release_of(struct mount *m, bool lazy,
                                       void (*done)(void *arg, enum mount_released how));
/* borg has ended, the mount is gone: the job ends. */
void mount_ended(struct mount *m);

#endif
