/* shim_env: the passphrase and BORG_* in the shim's own environment.
 *
 * What is taken out is overwritten where it stands, because /proc/PID/environ shows the very bytes
 * that the program was started with. Works on `environ`; single-threaded programs only. */
#ifndef BACKUP_CONTROL_SHIM_ENV_H
#define BACKUP_CONTROL_SHIM_ENV_H

#include "base/secret.h"

#include <stdbool.h>

/* In borgmatic's environment: this job may repair (`borg check --repair` asks, and is answered). */
#define SHIM_ENV_REPAIR "BORGMATIC_API_REPAIR"

/* Drops every passphrase that borg would have read (variables, and the descriptor named by
 * BORG_PASSPHRASE_FD, which is emptied and closed), and names `fd` instead. */
bool shim_env_give_passphrase(int fd);

/* The passphrase that borg would have read from its environment: BORG_PASSPHRASE, else, when there
 * is no BORG_PASSCOMMAND (which is not run), the contents of BORG_PASSPHRASE_FD. NULL: none.
 * secret_free. */
struct secret *shim_env_read_passphrase(void);

/* BORG_* entries of the environment that are no passphrases, borrowed from it; NULL-terminated
 * array to be freed (mem_free), NULL without memory. */
const char **shim_env_list(void);

/* For borg with these arguments: our ssh options in BORG_RSH, a locale that reads any name, no FUSE
 * where nothing is mounted, and the answer to borg's question before a repair where the job may do
 * one. */
void shim_env_complete(char *const *argv);

#endif
