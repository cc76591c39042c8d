/* mount_release: takes one borg mount away, by fusermount3, and looks whether it is gone.
 *
 * Only what is seen at the path as a borg mount, and with the device that is known, is touched: a
 * bind mount, or somebody's other FUSE mount, is not. Loop's thread only. */
#ifndef BACKUP_RESTORE_MOUNT_RELEASE_H
#define BACKUP_RESTORE_MOUNT_RELEASE_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

struct mount_release;

enum mount_released {
    MOUNT_GONE,     /* nothing of ours is mounted there (any more) */
    MOUNT_BUSY,     /* files of it are open */
    MOUNT_NOT_OURS, /* something else is seen at the path; left as it is */
};

struct mount_release_spec {
    uv_loop_t *loop;
    const char *point;
    const char *device; /* as in mountinfo, or NULL: any borg mount there */
    const char *path;   /* PATH, where fusermount3 is looked for */
    const char *marker; /* entry of its environment, "NAME=value" */
    bool lazy;          /* busy: tried again for MOUNT_GRACE_MS, then detached (-z) */
    void (*done)(void *arg, enum mount_released how);
    void *arg;
};

/* `done` is called once, never from inside. NULL: no memory. */
struct mount_release *mount_release_start(const struct mount_release_spec *s);
/* After done; before it, no callback follows and what runs goes on. NULL is a no-op. */
void mount_release_free(struct mount_release *r);

#endif
