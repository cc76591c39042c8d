/* job: an AIO workflow (aio/run/run) as a job: it runs in a task of its own and holds AIO_KEY.
 *
 * Lines, stages and notices become the job's events; the job ends with the outcome as its result
 * and verdict. A cancel or the job's deadline is only handed on to the workflow, which says what it
 * could do (aio/run/run); where it went on to its end, its own state is kept. When the daemon goes
 * down while something is begun, the job is left for the next start (aio/job/recover). Loop's
 * thread. */
#ifndef AIO_JOB_JOB_H
#define AIO_JOB_JOB_H

#include "aio/context.h"
#include "aio/job/teller.h"
#include "aio/run/run.h"
#include "jobs/job.h"
#include "sys/task.h"

#include <stdbool.h>

/* Kinds of jobs begin with this word: whoever recovers other jobs leaves them alone. */
#define AIO_KIND "aio-"
#define AIO_KIND_RUN "aio-run"
#define AIO_KIND_TARGET "aio-run-for-target"
#define AIO_KIND_STOP "aio-stop"
#define AIO_KIND_START "aio-start"
#define AIO_KIND_UPDATE "aio-update"
#define AIO_KIND_CHECK "aio-check"
#define AIO_KIND_RECOVER "aio-recover" /* of a run whose job is no AIO job, or is not known */

struct aio_job_spec {
    const struct aio_job_means *means;
    const struct aio_wants *wants;     /* copied; its job_id is set when the job runs */
    const struct aio_target *previous; /* the target as configured before; NULL: not read */
    bool recovers;                     /* ends what is pending (aio_run_recover) */
};

/* The work for job_spec.work; NULL when memory is gone. */
void *aio_job_new(const struct aio_job_spec *s);
extern const struct job_ops aio_job_ops;

#endif
