/* recover: what becomes of the jobs that were not ended when we died.
 *
 * At start each of them is adopted as running: its processes that are still alive are ended as by a
 * cancel (SIGINT to borg, then SIGTERM, then SIGKILL), then it is looked at whether a whole archive
 * came to be (by what its shims wrote down, and by asking borg where the passphrase is known), and
 * the job ends as `interrupted`. Its repositories refuse work meanwhile (ERR_RECOVERING).
 * Loop's thread only. */
#ifndef BACKUP_RUN_RECOVER_H
#define BACKUP_RUN_RECOVER_H

#include "backup/repo/resolve.h"
#include "backup/run/borgmatic.h"
#include "jobs/job.h"
#include "jobs/store.h"

#include <uv.h>

struct recover_settings {
    uv_loop_t *loop;
    struct store *store;
    struct jobs *jobs;
    struct resolve *resolve;
    const char *state_dir;
    const char *const *env; /* base environment of children; outlives the recovery */
    const char *path;
    /* The tools as soon as they are known; `known` runs once, maybe at once. */
    void (*tools)(void *arg, void (*known)(void *known_arg, const struct borgmatic_tools *t),
                  void *known_arg);
    void *tools_arg;
    /* The job that sees to Nextcloud's containers when they were stopped for the job of that id:
     * its id, "" while it has none yet, NULL when they were not. */
    const char *(*stack_job)(void *arg, const char *job_id);
    void *stack_arg;
};

/* Before the loop runs. Adopts every unfinished job, sends the first signals (blocks for some
 * milliseconds when there is one), and clears control directories that belong to none. *jobs gets
 * how many there are. False when the store cannot be read: then nothing may be started. */
bool recover_start(const struct recover_settings *s, size_t *jobs, struct err *e);

#endif
