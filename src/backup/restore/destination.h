/* destination: a place below the allowed roots (EXTRACT_ROOTS) that may be written to.
 *
 * The path is walked one name at a time by descriptor and no link is followed, so what was looked
 * at is what is opened; the roots themselves are the operator's and may be links. Refused, naming
 * the field: outside the roots, not absolute, "..", a link or a file in the way, a folder that is
 * not empty or that others may write to (borg follows links that stand in it), a taken name for a
 * file; and what must never be overwritten: a local repository, STATE_DIR, the configuration
 * directory, a volume of Nextcloud AIO, or a place above one of them.
 *
 * Functions block (files may be on a server): they belong to a worker, but for the last two. */
#ifndef BACKUP_RESTORE_DESTINATION_H
#define BACKUP_RESTORE_DESTINATION_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

enum destination_kind {
    DESTINATION_FOLDER, /* absent or empty; made with 0700 */
    DESTINATION_FILE,   /* a name that is not taken; nothing is made of it, its folders are */
};

/* What a path is judged by. Strings are borrowed; a NULL or "" setting forbids nothing. */
struct destination_rules {
    const char *roots; /* absolute paths, separated by colons */
    const char *state_dir, *config_dir, *aio_config_file;
    const char *const *repositories; /* locations; those that are no local path are passed over */
    size_t repository_count;
    const char *field; /* of the request, for the refusal: "destination" */
};

struct destination {
    int fd;                  /* FOLDER: the folder; FILE: the one it goes into; −1: none */
    char name[NAME_MAX + 1]; /* FILE: its name in fd; FOLDER: "" */
    char path[PATH_MAX];     /* as given, without double and trailing slashes */
    size_t made;             /* how many folders at the path's end (of the file) were made */
    dev_t dev;               /* of fd */
    ino_t ino;
};

/* Opens it, making the folders that lack. False: ERR_BAD_REQUEST on the field, and nothing was
 * made; out->fd is −1 then. ERR_ALREADY_EXISTS for a FILE whose name is taken. */
bool destination_open(const struct destination_rules *rules, const char *path,
                      enum destination_kind kind, struct destination *out, struct err *e);
/* Looks only: the same refusals, an absent place is fine, nothing is made or kept open. */
bool destination_check(const struct destination_rules *rules, const char *path,
                       enum destination_kind kind, struct err *e);
/* False and ERR_NO_SPACE, with both numbers, when fewer than `bytes` are free there. */
bool destination_room(const struct destination *d, int64_t bytes, const char *field, struct err *e);
/* Whether the path still leads to the folder that was opened. */
bool destination_stands(const struct destination *d);
/* Removes the folders that were made and are still empty. Then as destination_close. */
void destination_discard(struct destination *d);

/* ---- on the loop ---- */
/* destination_open on a worker; `done` on the loop, once, never from inside: `d` is the callee's to
 * close (destination_close or destination_drop), or fd is −1 and `e` says why. False: no memory.
 * The rules are copied. */
typedef void (*destination_opened)(void *arg, struct destination *d, const struct err *e);
bool destination_open_later(uv_loop_t *loop, const struct destination_rules *rules,
                            const char *path, enum destination_kind kind, destination_opened done,
                            void *arg);
/* destination_discard of a copy on a worker; d->fd is −1 afterwards. */
void destination_drop(uv_loop_t *loop, struct destination *d);
void destination_close(struct destination *d);

#endif
