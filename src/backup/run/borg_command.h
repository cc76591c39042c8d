/* borg_command: argv and environment of a borg that we run ourselves on a resolved repository.
 * Pure. */
#ifndef BACKUP_RUN_BORG_COMMAND_H
#define BACKUP_RUN_BORG_COMMAND_H

#include "backup/repo/resolve.h"
#include "base/arena.h"

struct borg_command {
    const char *borg; /* absolute path of the real borg */
    const struct resolved_repo *repo;
    const char *archive;     /* NULL: the repository itself */
    const char *const *verb; /* NULL-terminated: the subcommand and its flags */
    const char *const *tail; /* what follows the target (paths, a second archive), or NULL */
    const char *const *env;  /* base environment (PATH, HOME, askpass, …) */
    int lock_wait_s;         /* seconds borg waits for a lock; 0: ARCHIVE_LOCK_WAIT_S */
    bool asks; /* borg is to ask on its terminal: no source of a passphrase stays, and ssh, which
                  would ask there as well, asks an askpass that refuses where there is none */
};

/* `borg --log-json VERB… OPTIONS --lock-wait N TARGET TAIL…`, NULL-terminated. NULL on
 * ERR_NO_MEMORY. */
const char *const *borg_command_argv(struct arena *a, const struct borg_command *spec,
                                     struct err *e);
/* The caller's base and over it what borgmatic would have set. TZ is UTC, ssh is strict about host
 * keys. With `by_pipe` the passphrase is announced on descriptor 3 and no other source of it stays.
 */
const char *const *borg_command_env(struct arena *a, const struct borg_command *spec, bool by_pipe,
                                    struct err *e);

#endif
