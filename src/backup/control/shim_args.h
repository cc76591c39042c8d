/* shim_args: what the shim changes of borg's command line.
 *
 * Pure functions over argv; nothing is guessed from values: a word counts as an option only before
 * "--". */
#ifndef BACKUP_CONTROL_SHIM_ARGS_H
#define BACKUP_CONTROL_SHIM_ARGS_H

#include <stdbool.h>
#include <stddef.h>

struct shim_args {
    char **argv;       /* the new one, NULL-terminated; the words are borrowed but for `rsh` */
    char *rsh;         /* the new value of --rsh, or NULL */
    bool own_log_json; /* borgmatic asked for --log-json itself */
    bool own_progress; /* … for --progress */
    bool added_stats;  /* --stats is ours: borgmatic does not expect its lines */
    bool log_json;     /* borg will write JSON lines */
};

/* True for `borg --version` and `borg -V`, which borgmatic reads. */
bool shim_args_is_version(char *const *argv);
/* True when --json stands on the command line. */
bool shim_args_has_json(char *const *argv);
/* borg's command ("create"), or NULL when there is none. */
const char *shim_args_command(char *const *argv);
/* True for a command, or NULL for none, that may need FUSE, itself or in what it runs (with-lock
 * hands its environment on). Every other borg is spared the load of its FUSE library, a tenth of
 * its start: BORG_FUSE_IMPL=none (borg docs, environment variables). */
bool shim_args_mounts(const char *command);
/* The repository that stands last on the command line, without an archive's name: bytes of the
 * word, *n of them; NULL when there is none. */
const char *shim_args_location(char *const *argv, size_t *n);

/* Adds --log-json and --progress where the command has them, --stats to a create that really makes
 * an archive, and the ssh options to --rsh. argv[0] becomes `borg`, which is borrowed. */
bool shim_args_make(char *const *argv, char *borg, struct shim_args *out);
void shim_args_done(struct shim_args *a);

/* The remote shell with our options behind the caller's own (ssh takes the first value that it is
 * given), or NULL when it is not ssh or memory is gone. NULL or "" means plain ssh. mem_free. */
char *shim_args_rsh(const char *rsh);

#endif
