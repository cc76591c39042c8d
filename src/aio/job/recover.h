/* recover: what becomes of AIO jobs that were not ended when we died, or were left when we went
 * down.
 *
 * At start each of them is adopted: the one that something is pending of (aio/run/run) waits until
 * no run of AIO is active, puts the target back, sees to the stack and ends with what is known; one
 * that had not begun ends as interrupted. What is pending of a job that is no AIO job (a backup
 * with the stack stopped around it), or of one that nobody knows any more, gets a job of its own
 * (AIO_KIND_RECOVER). Meanwhile AIO_KEY is held. Loop's thread. */
#ifndef AIO_JOB_RECOVER_H
#define AIO_JOB_RECOVER_H

#include "aio/job/job.h"
#include "jobs/store.h"

struct aio_recovery {
    char of[AIO_JOB_ID]; /* the job whose run is pending; "": nothing is, or nobody knows whose */
    char by[AIO_JOB_ID]; /* the job of AIO_KIND_RECOVER, "" until it is there; it may be `of` too */
    size_t count;        /* of jobs adopted or made */
};

/* Before the loop runs. `out` is filled while it runs, too: it outlives the jobs. False when the
 * store cannot be read: then nothing may be started. */
bool aio_recover_start(const struct aio_job_means *means, struct store *store, struct jobs *jobs,
                       struct aio_recovery *out, struct err *e);

#endif
