/* teller: what a workflow says in its task becomes events of its job on the loop.
 *
 * Lines, stages and notices in the order they were said; each exec is told to means->executed. When
 * the store is behind, the task waits before its next line. */
#ifndef AIO_JOB_TELLER_H
#define AIO_JOB_TELLER_H

#include "aio/context.h"
#include "aio/run/run.h"
#include "jobs/job.h"
#include "sys/task.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What AIO jobs are made with; all of it outlives them. */
struct aio_job_means {
    struct tasks *tasks;
    const struct aio_context *context;
    /* Each exec that passed the whitelist, on the loop; may be NULL. */
    void (*executed)(void *arg, const char *job_id, const char *container, const char *command);
    void *arg;
};

struct aio_teller {
    struct job *job;
    const struct aio_job_means *means;
    struct task *task;
    atomic_bool held;     /* the store is behind */
    atomic_bool executed; /* something was executed */
};

/* Loop's thread, before each task; `means` and the teller outlive it. */
void aio_teller_init(struct aio_teller *t, struct job *j, const struct aio_job_means *means);
/* The task's thread, before anything is said: `out` gets the callbacks for aio_run. */
void aio_teller_begin(struct aio_teller *t, struct task *task, struct aio_tell *out);
/* Any thread: was anything executed in a container by this task? */
bool aio_teller_executed(const struct aio_teller *t);

#endif
