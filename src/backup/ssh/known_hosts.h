/* known_hosts: the lines by which ssh knows its servers.
 *
 * Reads ssh's known_hosts format and changes one host in it, every other byte kept. The bytes are
 * outside ones. The first part is pure; the second works on SSH_DIR/known_hosts, blocks, and
 * belongs on worker threads. */
#ifndef BACKUP_SSH_KNOWN_HOSTS_H
#define BACKUP_SSH_KNOWN_HOSTS_H

#include "backup/ssh/sshkey_text.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- the text ---- */

enum { KNOWN_HOST_NAME = 300 };

struct known_line {
    const char *text;   /* without its line end; borrowed */
    size_t n, whole;    /* whole: with it */
    bool entry;         /* it tells a host's key; else a comment, blank, or not understood */
    const char *marker; /* "@revoked", "@cert-authority", or NULL; marker_len bytes */
    size_t marker_len;
    const char *hosts; /* "a,b", "[a]:22", "|1|…"; hosts_len bytes */
    size_t hosts_len;
    bool hashed;
    struct sshkey_public key;
};

/* The line that begins at `at`, which moves behind it; false at the end. */
bool known_hosts_line(const char *text, size_t n, size_t *at, struct known_line *out);

/* The name under which ssh looks a host up: "host", or "[host]:port" unless that is 22. Lower case.
 * ERR_BAD_REQUEST for what is no host's name or address. */
bool known_hosts_name(const char *host, int port, char out[KNOWN_HOST_NAME], struct err *e);

/* The entry names exactly this one (patterns do not count). */
bool known_hosts_names(const struct known_line *line, const char *name);

/* Copies the text without the host: lines that name it alone go, from others its name goes.
 * `type`: only keys of that type; NULL: all. Returns how many lines were changed. */
size_t known_hosts_without(const char *text, size_t n, const char *name, const char *type,
                           struct buf *out);

/* ---- the file ---- */

/* "hosts":[{"hosts","hashed","marker","type","bits","fingerprint","comment","line"}],"truncated".
 */
bool known_hosts_list(const char *dir, struct buf *members, struct err *e);

/* The host has this key from now on. ERR_HOST_KEY_CHANGED when it has another one of that type,
 * unless `replace`. Members "pinned", "changed", "host", "type", "fingerprint". */
bool known_hosts_pin(const char *dir, const char *name, const struct sshkey_public *key,
                     bool replace, struct buf *members, struct err *e);

/* Forgets the host. ERR_NOT_FOUND. */
bool known_hosts_forget(const char *dir, const char *name, struct buf *members, struct err *e);

#endif
