/* passphrase_change: a plan that gives one repository's key another passphrase.
 *
 * borg itself changes it, asked on a terminal (sys/pty), because it reads every other source of a
 * passphrase twice and would take the old one for the new. Then the repository is opened twice: the
 * old passphrase must be refused, the new one must do. Loop's thread only. */
#ifndef BACKUP_REPO_PASSPHRASE_CHANGE_H
#define BACKUP_REPO_PASSPHRASE_CHANGE_H

#include "backup/run/operation.h"

/* The plan's data; the secrets are copied. `in_config`: the configuration has a passphrase of its
 * own, which is then the old one: "config_needs_update" in the result. NULL when memory is gone. */
void *passphrase_change_new(const struct secret *old, const struct secret *fresh, bool in_config);
extern const struct operation_plan passphrase_change_plan;

/* Which answer a prompt wants. Pure; exposed for its test. */
enum prompt { PROMPT_NONE, PROMPT_OLD, PROMPT_NEW, PROMPT_AGAIN };
/* What borg has written on the terminal since the last answer, NUL-terminated. */
enum prompt passphrase_prompt(const char *text);

#endif
