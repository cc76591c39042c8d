/* lock_look: reads the lock of a repository on this machine's disk, and judges its holders as borg
 * does. Runs no program and changes nothing. Blocks (a few small reads; on a network file system
 * perhaps long; the first look may ask the resolver for our own name): worker threads only. */
#ifndef BACKUP_LOCKS_LOCK_LOOK_H
#define BACKUP_LOCKS_LOCK_LOOK_H

#include "backup/locks/lock_state.h"

/* Whom borg takes for itself on this host. */
struct lock_host {
    char id[LOCK_HOST_MAX + 1]; /* "" when it cannot be told: then nobody is proven dead */
    bool blind; /* processes of this host are hidden from us: a missing one proves nothing */
};

/* `borg_host_id`: the value of BORG_HOST_ID that the repository's borg gets, or NULL. */
void lock_host_read(const char *borg_host_id, struct lock_host *out);
/* The repository in the folder `repo` (absolute path). */
void lock_look(const char *repo, const struct lock_host *us, struct lock_state *out);
/* The lock in the open folder `dir` of a repository or a cache, without asking which it is. */
void lock_look_at(int dir, const struct lock_host *us, struct lock_state *out);

#endif
