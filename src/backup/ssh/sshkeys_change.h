/* sshkeys_change: keys that come into place, are moved aside, and come back. See
 * backup/ssh/sshkeys_folder.h for the order that makes it safe. All of it blocks (fsync): worker
 * threads only. Members are JSON members without braces. */
#ifndef BACKUP_SSH_SSHKEYS_CHANGE_H
#define BACKUP_SSH_SSHKEYS_CHANGE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/param.h>

/* Where ssh-keygen is to write. */
struct sshkeys_stage {
    char folder[32];     /* its name in the work folder */
    char path[PATH_MAX]; /* of the private file to be made */
};

/* Before a key is made. `replace` false: ERR_ALREADY_EXISTS when either file is there; true:
 * ERR_NOT_FOUND when there is no private one. Makes the folder. */
bool sshkeys_stage(const char *dir, const char *label, bool replace, struct sshkeys_stage *out,
                   struct err *e);
/* What was made there becomes the key that waits (an earlier one goes); the folder goes in any
 * case. `path` (PATH_MAX): where it is now. */
bool sshkeys_keep(const char *dir, const char *label, const struct sshkeys_stage *stage, char *path,
                  struct err *e);
void sshkeys_unstage(const char *dir, const struct sshkeys_stage *stage);
/* A key that waits: its path and whether a passphrase protects it, or ERR_NOT_FOUND. */
bool sshkeys_waiting(const char *dir, const char *label, char *path, bool *encrypted,
                     struct err *e);
/* The key that waits comes into place: over the old one, which is moved aside, or only where there
 * is none (ERR_ALREADY_EXISTS). */
bool sshkeys_place(const char *dir, const char *label, bool replace, struct buf *members,
                   struct err *e);
/* Moves the key aside. ERR_NOT_FOUND. */
bool sshkeys_delete(const char *dir, const char *label, struct buf *members, struct err *e);
/* The newest key of the label that was moved aside comes back; what is in place is moved aside.
 * ERR_NOT_FOUND when there is none. */
bool sshkeys_rollback(const char *dir, const char *label, struct buf *members, struct err *e);

#endif
