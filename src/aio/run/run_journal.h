/* run_journal: what a start after our death must know of a run: that it was on, and whether the
 * stack has to be up in the end. The switched target has a journal of its own (aio/target/target).
 *
 * STATE_DIR/aio/run.json, durable before anything is changed. Blocks; a task's thread. */
#ifndef AIO_RUN_RUN_JOURNAL_H
#define AIO_RUN_RUN_JOURNAL_H

#include "aio/target/target.h"

#include <stdbool.h>
#include <stdint.h>

struct run_journal {
    char job_id[AIO_JOB_ID];
    char master_id[65], borg_id[65]; /* containers before the run; "" none */
    int64_t began_ms;                /* Unix time */
    bool stack_was_up, start_after;  /* start_after: the stack has to be up in the end */
    bool backs_up, checks;
    bool owes_start;          /* the stop is done; its job starts the stack again */
    struct aio_target target; /* of a backup */
};

bool run_journal_write(const char *state_dir, const struct run_journal *j, struct err *e);
/* ERR_NOT_FOUND without one; ERR_UNAVAILABLE for one that cannot be read. */
bool run_journal_read(const char *state_dir, struct run_journal *out, struct err *e);
/* The run is over. One that is not there is no error. */
bool run_journal_drop(const char *state_dir, struct err *e);

#endif
