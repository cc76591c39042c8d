/* resolve: what a borgmatic configuration means, asked from borgmatic itself.
 *
 * `rlist -c FILE` is run with the shim in record mode: borgmatic reads the config with its
 * includes, constants and overrides, and the shim notes the argv and environment it would use for
 * each repository; no borg runs. One answer is kept per state of the file (device, inode, size,
 * mtime) for RESOLVE_AGE_MS; at most RESOLVE_CACHE answers, least recently used first out; equal
 * questions at one time share one child. Loop's thread only. */
#ifndef BACKUP_REPO_RESOLVE_H
#define BACKUP_REPO_RESOLVE_H

#include "backup/run/borgmatic.h"
#include "base/err.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct resolve;

struct resolved_repo {
    const char *location; /* as borgmatic hands it to borg: "/srv/repo", "ssh://u@h/./repo" */
    const char
        *normal; /* normalised, for exclusion: no trailing or double slash, scp form → ssh:// */
    const char *label; /* "" when the config gives none; what may stand in --repository */
    bool remote;
    const char *const
        *options; /* borg's common options recorded: --remote-path, --lock-wait, …; NULL-term. */
    const char *const *env;          /* BORG_* without secrets, "NAME=value", NULL-terminated */
    const struct secret *passphrase; /* the config's own, or NULL */
};

struct resolved {
    unsigned refs;
    char *file; /* the config file */
    bool sectioned;
    const char *local_path; /* the borg that the config names, absolute, or NULL */
    size_t count;
    struct resolved_repo repos[16]; /* LIMIT_REPOS */
};

struct resolve_settings {
    const char *state_dir;
    const char *const *env; /* child environment base (HOME, LC_ALL, …), NULL-terminated; must live
                               as long as the resolve */
    const char *path;       /* PATH of children */
};

struct resolve *resolve_new(uv_loop_t *loop, const struct resolve_settings *set);
void resolve_free(struct resolve *r);

/* Answers once, never from inside the call. On success `res` carries a reference for the callee
 * (resolved_unref). Failures: ERR_INVALID_CONFIG with borgmatic's own words (secrets masked, first
 * 300 bytes), ERR_UNSUPPORTED, ERR_UNAVAILABLE (borgmatic absent), ERR_TIMEOUT.
 * `tools` is copied. */
typedef void (*resolve_done)(void *arg, struct resolved *res, const struct err *e);
void resolve_config(struct resolve *r, const struct borgmatic_tools *tools, const char *file,
                    resolve_done done, void *arg);
/* Takes back a question: the callback will not run. */
void resolve_cancel(struct resolve *r, void *arg);
/* A name to show: the label, else the last part of the location. Borrowed. */
const char *resolved_repo_name(const struct resolved_repo *repo);
/* The repository with this name (as above) or location, or NULL. Borrowed. */
const struct resolved_repo *resolved_find(const struct resolved *res, const char *name);
struct resolved *resolved_ref(struct resolved *res);
void resolved_unref(struct resolved *res); /* wipes its secrets with the last reference */

/* The file of a label in the config directory: "<label>.yaml", else "<label>.yml". In `out`; false
 * and ERR_NOT_FOUND "Config <label> not found" when neither is a regular file. Blocks for two
 * stats. */
bool resolve_find(const char *dir, const char *label, char *out, size_t size, struct err *e);
/* The normal form of a repository's location (see resolved_repo.normal); mem_free. */
char *resolve_normal(const char *location);
/* The location as it may be shown: a password in its user part masked; cut to size. */
void resolve_shown(const char *location, char *out, size_t size);

#endif
