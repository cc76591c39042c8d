/* job_verdict: how what is known of borgs becomes a job's end; shared by the works of jobs (create,
 * operation). Loop's thread. */
#ifndef BACKUP_RUN_JOB_VERDICT_H
#define BACKUP_RUN_JOB_VERDICT_H

#include "backup/create/verdict.h"
#include "backup/repo/resolve.h"
#include "base/jsonw.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <stddef.h>

enum job_state job_verdict_state(enum verdict_state s);

/* What is known of several repositories' borgs. */
struct job_verdicts {
    size_t ran;                  /* how many of them have a verdict */
    bool found;                  /* one at least */
    struct verdict_result worst; /* valid if found */
};
/* Adds one; NULL: its borg did not run. */
void job_verdicts_add(struct job_verdicts *all, const struct verdict *v);

/* A stop that was asked for decides word and sentence: "<what> was cancelled on request". `note`
 * (or NULL) joins it, and so does that processes are left. Without a stop nothing changes. */
void job_verdict_stopped(const struct job *j, const char *what, const char *note, bool left,
                         struct verdict_result *v);

/* One repository's members of a job's result: repository, label, exit_code (`exited` false: null),
 * verdict. */
void job_verdict_repository(struct jsonw *w, const struct resolved_repo *repo, bool exited,
                            int code, const struct verdict *v);

#endif
