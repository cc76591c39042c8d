/* fsafe: files replaced as a whole, so that a reader, a crash or a full disk sees the old or the
 * new one, never a part.
 *
 * Everything goes through a folder's descriptor and plain names; links are not followed. The calls
 * block (fsync): worker threads only, unless nothing else runs yet. */
#ifndef SYS_FSAFE_H
#define SYS_FSAFE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The folder, not through a link at its end; −1 and ERR_NOT_FOUND or ERR_UNAVAILABLE. The caller
 * closes it. */
int fsafe_dir(const char *path, struct err *e);
/* Writes n bytes as `name` in the folder: to ".<name>.<random>.new" (no program takes that for its
 * own), fsync, rename, fsync of the folder. `replace` false: ERR_ALREADY_EXISTS when the name is
 * taken, by whatever. On failure the old file stands. */
bool fsafe_write(int dir, const char *name, const void *bytes, size_t n, mode_t mode, bool replace,
                 struct err *e);
/* The first half of it, for a file that is somebody else's: writes the bytes aside, durably, with
 * owner and mode of `as`; `part` gets the name that is then to be renamed or removed. */
enum { FSAFE_PART = 288 };
bool fsafe_aside(int dir, const char *name, const void *bytes, size_t n, const struct stat *as,
                 char part[FSAFE_PART], struct err *e);
/* Reads a regular file of at most out->max bytes (appended); `st` may be NULL. ERR_NOT_FOUND when
 * there is none, ERR_UNAVAILABLE when it is no regular file, too long or unreadable. */
bool fsafe_read(int dir, const char *name, struct buf *out, struct stat *st, struct err *e);
/* Renames within the folder, durably; ERR_ALREADY_EXISTS when `to` is taken. */
bool fsafe_rename(int dir, const char *from, const char *to, struct err *e);
/* Removes a file that is no folder, durably; ERR_NOT_FOUND. */
bool fsafe_remove(int dir, const char *name, struct err *e);
/* Writes all n bytes, in as many pieces as it takes. False with errno. */
bool fsafe_write_all(int fd, const char *p, size_t n);
/* Removes what a crash left of fsafe_write. */
void fsafe_sweep(int dir);

#endif
