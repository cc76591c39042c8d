/* A job whose work the next start takes up: it stays unfinished in the store. */
#include "jobs/job_internal.h"

#include <assert.h>

bool job_let_go(struct job *j)
{
    if (!j->ops->leave || !j->started)
        return false;
    if (!j->ending && !j->leaving) {
        j->leaving = true;
        j->ops->leave(j, j->work);
    }
    return true;
}

void job_leave(struct job *j, const char *sentence)
{
    assert(!j->ending && j->hub);
    struct buf record;
    struct store_job row;
    buf_init(&record, LIMIT_RECORD);
    job_fill_row(j, JOB_RUNNING, &record, &row);
    (void)uv_timer_stop(&j->deadline);
    j->ending = j->left = true;
    hub_leave(j->hub);
    j->hub = NULL;
    job_take_outcome(j, &(struct job_outcome){.state = JOB_INTERRUPTED,
                                              .keep_state = true,
                                              .exit_code = -1,
                                              .word = "interrupted",
                                              .sentence = sentence,
                                              .api = ERR_INTERRUPTED});
    store_job_update(j->js->store, &row, true, jobs_ended, j);
    buf_done(&record);
}
