/* ssh_target: the ssh command line that reaches a repository's host. Pure. */
#ifndef BACKUP_SSH_SSH_TARGET_H
#define BACKUP_SSH_SSH_TARGET_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* True for "ssh://…" and "host:path", what borg reaches over ssh. */
bool ssh_target_is_remote(const char *location);

/* The host of a remote location, without user, port and brackets. */
bool ssh_target_host(const char *location, char *out, size_t size);

/* argv of `RSH … -T [-p PORT] [USER@]HOST true` (NULL-terminated, in the arena). `rsh` (NULL:
 * "ssh") is split into words as a shell would (quotes, backslashes); the options that every ssh of
 * a job gets stand behind its own, which so prevail. `interactive`: an askpass may answer; else
 * BatchMode. ERR_BAD_REQUEST for a location that is not remote or whose host ssh would take for an
 * option. */
const char *const *ssh_target_argv(struct arena *a, const char *location, const char *rsh,
                                   bool interactive, struct err *e);

/* The same `rsh` (NULL: "ssh") with `key` as its only identity: other -i and IdentityFile go. A
 * command line for a shell, or for borg, which splits it likewise; in the arena. ERR_BAD_REQUEST
 * when it is no ssh or cannot be understood. */
const char *ssh_target_with_key(struct arena *a, const char *rsh, const char *key, struct err *e);

#endif
