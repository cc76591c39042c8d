/* lock_holder: who holds the lock of a repository (or cache) on this machine's disk. borg's own
 * message names only the lock's path. */
#ifndef BACKUP_LOCKS_LOCK_HOLDER_H
#define BACKUP_LOCKS_LOCK_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* `lock`: "/srv/repo/lock.exclusive" or "/srv/repo/lock" (then the roster of readers is read). In
 * `out`: "held by process 4242 on elsewhere since 2026-11-23T02:45:54Z", the first one when there
 * are several. False when nobody is written there (any more). Reads one directory or one small
 * file: blocks shortly, on a network file system perhaps longer. */
bool lock_holder(const char *lock, char *out, size_t size);

#endif
