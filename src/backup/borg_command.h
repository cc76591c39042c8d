/* borg_command: argv and environment of a borg that we run ourselves on a resolved repository.
 * Pure. */
#ifndef BACKUP_BORG_COMMAND_H
#define BACKUP_BORG_COMMAND_H

#include "backup/archive_read.h"
#include "base/arena.h"

/* `borg --log-json VERB… OPTIONS --lock-wait N TARGET`, NULL-terminated. `verb` is NULL-terminated:
 * the subcommand and its flags. NULL on ERR_NO_MEMORY. */
const char *const *borg_command_argv(struct arena *a, const struct archive_read_spec *spec,
                                     const char *const *verb, struct err *e);
/* The caller's base and over it what borgmatic would have set. TZ is UTC, ssh is strict about host
 * keys. With `by_pipe` the passphrase is announced on descriptor 3 and no other source of it stays.
 */
const char *const *borg_command_env(struct arena *a, const struct archive_read_spec *spec,
                                    bool by_pipe, struct err *e);

#endif
