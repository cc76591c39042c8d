/* quiesce: the work of another job with AIO's stack down around it, as a backup of what the stack
 * writes to needs it.
 *
 * The stack is stopped as POST /nextcloud/daily-backup/stop does it and the database's dump looked
 * at; then the inner work runs; afterwards, whatever became of any of it, the stack is started
 * again if it ran before (unless that is not wanted). A cancel or the job's deadline reaches the
 * inner work; while the stack is being stopped they are kept until it has, since AIO's script
 * cannot be stopped. That the stack has to be started stands in the run's journal
 * (aio_wants.owes_start) from before the stop on, so that the next start of ours does it when we
 * die.
 *
 * The job's result gets a member "aio": {"official_daily_stop":{…},"stopped","down_ms","start",
 * "started","service"}, what concerns the stop as soon as that is over (job_news when it failed:
 * "failure" is {"error","message","field"} then). "start" is "started",
 * "was_up" (somebody else had started it), "not_wanted", "was_down" (before the stop as well),
 * "not_stopped" or "failed". A stack that does not come back makes the job fail with
 * "service_down". The job must hold AIO_KEY. Loop's thread. */
#ifndef AIO_JOB_QUIESCE_H
#define AIO_JOB_QUIESCE_H

#include "aio/job/job.h"

#include <stdbool.h>
#include <uv.h>

struct quiesce_spec {
    uv_loop_t *loop;
    const struct aio_job_means *means; /* copied */
    const struct job_ops *ops;         /* of the inner work … */
    void *work;                        /* … which is taken, also on failure */
    bool start_after;
};

/* The work for job_spec.work; NULL when memory is gone. */
void *quiesce_new(const struct quiesce_spec *s);
extern const struct job_ops quiesce_ops;

#endif
