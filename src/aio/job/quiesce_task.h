/* quiesce_task: the two blocking halves of aio/job/quiesce: AIO's stack stopped, and started again.
 * A task's thread. */
#ifndef AIO_JOB_QUIESCE_TASK_H
#define AIO_JOB_QUIESCE_TASK_H

#include "aio/run/run.h"
#include "base/err.h"
#include "docker/engine.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct quiesce_down {
    bool ok;                 /* the stack is down and its dump is not known to be unclean */
    bool skipped;            /* none of the stack's containers ran */
    bool begun;              /* the script was executed: the stack may be down */
    bool was_up;             /* before */
    bool owes_start;         /* it has to be started again */
    bool left;               /* the task was to stop before it was over */
    int64_t since_ms;        /* Unix time it was stopped at; 0: it was not up */
    struct aio_outcome *out; /* of the script's run, or NULL; see quiesce_outcome_free */
    char word[48], sentence[384];
    enum err_code api;
    char field[64], hint[256];
};

/* `cancel` as for aio_run. `start_after`: a stack that is up has to be started again. */
void quiesce_stop(struct engine *en, const struct aio_context *x, const char *job_id,
                  bool start_after, const struct aio_tell *tell, const atomic_bool *cancel,
                  struct quiesce_down *out);

struct quiesce_up {
    bool ok;       /* it serves again */
    bool was_up;   /* without us: AIO's own run, or somebody's hand */
    bool left;     /* the task was to stop before it was over; the journal stays */
    int64_t at_ms; /* Unix time it was seen to serve; 0: not */
    bool checked;
    struct aio_service service; /* if checked */
    char problem[384];          /* why it does not serve */
};

/* Waits until no run of AIO's is active, then starts the stack unless it is up. While the Engine is
 * away, or AIO's own run goes on, it is tried again, for QUIESCE_START_MS. */
void quiesce_start(struct engine *en, const struct aio_context *x, const struct task *t,
                   const struct aio_tell *tell, struct quiesce_up *out);

void quiesce_outcome_free(struct aio_outcome *o); /* NULL is a no-op */

#endif
