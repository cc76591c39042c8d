/* Shared by quiesce.c (its states) and quiesce_end.c (what is said of it). */
#ifndef AIO_JOB_QUIESCE_INTERNAL_H
#define AIO_JOB_QUIESCE_INTERNAL_H

#include "aio/job/quiesce.h"
#include "aio/job/quiesce_task.h"
#include "aio/job/teller.h"

/* Stopping → the inner work → starting → the end; each but the first may be left out. */
enum quiesce_phase { QUIESCE_STOPPING, QUIESCE_INNER, QUIESCE_STARTING };

struct quiesce {
    struct aio_job_means means;
    uv_loop_t *loop;
    const struct job_ops *ops;
    void *work;
    bool start_after;
    bool leaving; /* the daemon goes down */
    struct job *job;
    struct task *task;
    enum quiesce_phase phase; /* does not change while a task runs */
    atomic_bool cancel;       /* set by the loop, once the job is to stop */
    struct aio_teller teller;
    /* the task's while it runs */
    struct quiesce_down down;
    struct quiesce_up up;
    /* how the inner work ended, or why it was not begun; its strings are ours */
    struct job_outcome outcome;
    bool stop_counts; /* a stop was asked for before that */
};

void quiesce_keep_outcome(struct quiesce *q, const struct job_outcome *o);
void quiesce_drop_outcome(struct quiesce *q);
/* What is known so far into the job's result. */
void quiesce_tell_result(struct quiesce *q);
/* Nothing is left to do: ends the job. */
void quiesce_end(struct quiesce *q);

#endif
