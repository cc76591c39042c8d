/* sshkeys: what is said of the keys in SSH_DIR. Nothing is changed, and of a private key no more is
 * read than its outside. Members are JSON members without braces. Blocks: worker threads only, but
 * for the pure one. */
#ifndef BACKUP_SSH_SSHKEYS_H
#define BACKUP_SSH_SSHKEYS_H

#include "backup/ssh/sshkey_text.h"
#include "base/buf.h"
#include "base/err.h"

/* A label by which a key can be reached: what is no name of another file. Pure. */
bool sshkeys_label(const char *label);

/* "keys":["id_k1"],"items":[…]: at most SSHKEYS_LISTED, by name. */
bool sshkeys_list(const char *dir, struct buf *members, struct err *e);
/* "exists","private","public", what the key is, what is kept aside, what waits. */
bool sshkeys_status(const char *dir, const char *label, struct buf *members, struct err *e);

struct sshkeys_line {
    const char *label;
    bool next;                    /* of the key that waits */
    const char *restrict_to_path; /* or NULL */
    const char *comment;          /* NULL: the key's own */
};
/* "public","authorized_keys". ERR_NOT_FOUND; ERR_BAD_REQUEST as sshkeys_authorized. */
bool sshkeys_pub(const char *dir, const struct sshkeys_line *what, struct buf *members,
                 struct err *e);

/* The line for the server's authorized_keys: only `borg serve`, nothing else. The path is written
 * so that sshd and the shell that it starts read it as one word; what could not be (quotes, $,
 * backslashes, control characters, a path that begins with a dash) is ERR_BAD_REQUEST. Pure. */
bool sshkeys_authorized(const struct sshkey_public *key, const char *restrict_to_path,
                        const char *comment, struct buf *out, struct err *e);

#endif
