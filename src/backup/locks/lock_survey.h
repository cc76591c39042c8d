/* lock_survey: what each configuration means, and the locks of its repositories, within a bounded
 * time.
 *
 * Locks on this machine's disk are read on a worker thread and nothing is run for them. Remote
 * repositories are asked by a job of kind "lock-probe" each, where the spec wants that. At most
 * LOCK_SURVEYED configurations are looked at at a time; what is not known at the deadline stays
 * unknown and says why. Loop's thread only. */
#ifndef BACKUP_LOCKS_LOCK_SURVEY_H
#define BACKUP_LOCKS_LOCK_SURVEY_H

#include "backup/locks/lock_state.h"
#include "backup/repo/resolve.h"
#include "backup/run/context.h"
#include "jobs/job.h"
#include "limits.h"

#include <uv.h>

struct lock_survey;

struct lock_survey_spec {
    const struct backup_context *context; /* copied, with the tools */
    struct resolve *resolve;
    struct jobs *jobs;
    const char *config_dir;
    const char *label;      /* of the only configuration; NULL: all of the folder */
    const char *repository; /* only this one, by label or location, or NULL */
    bool look;              /* read local locks */
    bool probe;             /* ask remote repositories too, by jobs */
    const struct secret *borg_passphrase, *ssh_passphrase; /* for those; copied; or NULL */
    const char *role, *address;                            /* who asks, for their records; copied */
    unsigned deadline_ms;                                  /* 0: LOCK_SURVEY_MS */
    void (*done)(void *arg, struct lock_survey *s);        /* once, never from inside */
    void *arg;
};

struct survey_config {
    char label[LIMIT_LABEL + 1];
    char *file;
    struct resolved *config; /* NULL: problem says why */
    struct err problem;
    struct lock_state *locks[LIMIT_REPOS]; /* by the index of config->repos; NULL: not looked at */
};

/* NULL and `e`: there is no such configuration, no memory. */
struct lock_survey *lock_survey_start(const struct lock_survey_spec *spec, struct err *e);
/* At any time; what it still asks is given up, and `done` does not run. NULL is a no-op. */
void lock_survey_free(struct lock_survey *s);

/* After done. */
size_t lock_survey_count(const struct lock_survey *s);
const struct survey_config *lock_survey_config(const struct lock_survey *s, size_t i);
bool lock_survey_cut(const struct lock_survey *s); /* there are more than LIMIT_CONFIGS files */
/* Why the folder could not be read, or "". */
const char *lock_survey_problem(const struct lock_survey *s);

/* The value of BORG_HOST_ID that a borg on this repository gets, or NULL. Borrowed. */
const char *lock_host_id(const struct resolved_repo *repo, const char *const *env);

#endif
