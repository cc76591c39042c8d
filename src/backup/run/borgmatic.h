/* borgmatic: which versions are installed, and what each verb is called there.
 *
 * A verb that the installed version lacks is ERR_UNSUPPORTED, never a guess: borgmatic 1.7.7 runs a
 * backup for a word it does not know. The action always stands first, then exactly one -c FILE,
 * then the flags, values as --flag=value (borgmatic's command line, measured
 * on 1.7.7, 1.9.14, 2.x). Pure but for the probe. */
#ifndef BACKUP_RUN_BORGMATIC_H
#define BACKUP_RUN_BORGMATIC_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct borgmatic_version {
    int major, minor, patch; /* all 0: not known */
};

struct borgmatic_tools {
    char borgmatic[256]; /* absolute path, "" when absent */
    char borg[256];
    struct borgmatic_version borgmatic_version, borg_version;
    char borg_said[96]; /* for control_spec; "" when borg printed no single line */
    char problem[256];  /* why borgmatic or borg cannot be used, or "" */
};

bool borgmatic_version_parse(const char *text,
                             struct borgmatic_version *v); /* "1.9.14\n", "borg 1.2.4" */
/* <0, 0, >0 as a is older, the same, newer. */
int borgmatic_version_cmp(struct borgmatic_version a, int major, int minor, int patch);

/* Finds borgmatic and borg in `path` and asks their versions with two short children. `done` runs
 * once on the loop, tools valid during the call. */
bool borgmatic_probe(uv_loop_t *loop, const char *path, const char *const *env,
                     void (*done)(void *arg, const struct borgmatic_tools *t), void *arg,
                     struct err *e);

enum borgmatic_verb {
    BORGMATIC_CREATE,
    BORGMATIC_CREATE_DRY_RUN,
    BORGMATIC_CHECK,
    BORGMATIC_PRUNE,
    BORGMATIC_PRUNE_DRY_RUN,
    BORGMATIC_COMPACT,
    BORGMATIC_REPO_CREATE,
    BORGMATIC_LIST_REPOSITORY,
    BORGMATIC_RESOLVE, /* the listing as a dry run, so that no hook runs (backup/repo/resolve) */
    BORGMATIC_VERBS
};

enum { BORGMATIC_VERBOSITY_UNSET = INT32_MIN };

/* What a caller may ask; unset members change nothing, members of another verb are refused. */
struct borgmatic_options {
    int verbosity; /* -2..2 (-2 is -1 before 1.7.14), or BORGMATIC_VERBOSITY_UNSET */
    bool stats, list;
    const char *comment;                /* ≥ 2.0 only */
    bool progress;                      /* compact */
    unsigned threshold;                 /* compact: percent; 0: unset */
    bool repair, force;                 /* check */
    const char *only;                   /* check: repository, archives, data, extract, spot */
    unsigned max_duration;              /* check: seconds; 0: unset */
    const char *encryption;             /* repo-create: borg's name of the mode */
    const char *storage_quota;          /* repo-create: "5G" */
    bool append_only, make_parent_dirs; /* repo-create */
    const char *repository;       /* label or location; NULL: all. Before 1.7.9 the config's list is
                                     overridden with it, so it must be a location there */
    const char *const *overrides; /* NULL-terminated "section.key=value" of our own making, or NULL;
                                     the section is dropped where the config has none */
    bool sectioned;         /* the config has 1.7's sections (decides the override's spelling) */
    const char *local_path; /* override local_path with this absolute path, or NULL */
};

/* argv (NULL-terminated, in the arena) for the verb on one config file, which is an absolute path.
 * ERR_UNSUPPORTED for what the version lacks, ERR_BAD_REQUEST for a value that borgmatic would take
 * for a flag or an action, ERR_NO_MEMORY. */
const char *const *borgmatic_argv(struct arena *a, const struct borgmatic_tools *t,
                                  enum borgmatic_verb verb, const char *config_file,
                                  const struct borgmatic_options *o, struct err *e);

#endif
