#include "aio/job/quiesce.h"

#include "aio/job/quiesce_internal.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

static void begin_start(struct quiesce *q);
static void after_stop(struct quiesce *q);
static void after_start(struct quiesce *q);

/* ---- the task ---- */

static void no_engine(struct quiesce *q, const struct err *e)
{
    if (q->phase == QUIESCE_STARTING) {
        (void)snprintf(q->up.problem, sizeof q->up.problem, "%s", e->msg);
        return;
    }
    q->down.api = e->code;
    (void)snprintf(q->down.word, sizeof q->down.word, "not_started");
    (void)snprintf(q->down.sentence, sizeof q->down.sentence, "%s", e->msg);
}

static void in_task(struct task *t, void *data)
{
    struct quiesce *q = data;
    struct err e = {0};
    struct aio_tell tell;
    const struct aio_context *x = q->means.context;
    aio_teller_begin(&q->teller, t, &tell);
    struct engine *en = engine_open(x->docker_host, t, &e);
    if (!en)
        no_engine(q, &e);
    else if (q->phase == QUIESCE_STARTING)
        quiesce_start(en, x, t, &tell, &q->up);
    else
        quiesce_stop(en, x, job_id(q->job), q->start_after, &tell, &q->cancel, &q->down);
    engine_close(en);
}

static void on_task_over(void *data)
{
    struct quiesce *q = data;
    q->task = NULL;
    if (q->phase == QUIESCE_STARTING)
        after_start(q);
    else
        after_stop(q);
}

static bool start_task(struct quiesce *q, struct err *e)
{
    aio_teller_init(&q->teller, q->job, &q->means);
    q->task = task_start(q->means.tasks, in_task, on_task_over, q, e);
    return q->task != NULL;
}

static void leave_job(struct quiesce *q)
{
    job_leave(q->job, "the daemon goes down while AIO's stack is stopped; its next start starts "
                      "the stack again");
}

/* ---- the inner work ---- */

/* Copies the outcome: what it points to is gone when the inner work has returned. */
static void on_inner_end(void *arg, struct job *j, const struct job_outcome *o)
{
    struct quiesce *q = arg;
    quiesce_keep_outcome(q, o);
    begin_start(q);
}

static void begin_inner(struct quiesce *q)
{
    q->phase = QUIESCE_INNER;
    job_divert_end(q->job, on_inner_end, q);
    q->ops->start(q->job, q->work);
}

static void end_without_inner(struct quiesce *q, const struct job_outcome *o)
{
    quiesce_keep_outcome(q, o);
    begin_start(q);
}

/* ---- down ---- */

static void after_stop(struct quiesce *q)
{
    const struct quiesce_down *s = &q->down;
    quiesce_tell_result(q);
    if (q->leaving && s->left) {
        leave_job(q);
    } else if (job_stopping(q->job, NULL) || q->leaving) {
        end_without_inner(q, &(struct job_outcome){.state = JOB_CANCELLED, .exit_code = -1});
    } else if (s->ok) {
        begin_inner(q);
    } else {
        char sentence[700];
        job_news(q->job);
        (void)snprintf(sentence, sizeof sentence, "%s%s%s", s->sentence, s->hint[0] ? ": " : "",
                       s->hint);
        end_without_inner(q, &(struct job_outcome){.state = JOB_FAILED,
                                                   .exit_code = -1,
                                                   .word = s->word,
                                                   .sentence = sentence,
                                                   .api = s->api,
                                                   .field = s->field[0] ? s->field : NULL});
    }
}

/* ---- up ---- */

static void retry_closed(uv_handle_t *h)
{
    mem_free(h);
}

static void on_retry(uv_timer_t *t)
{
    struct quiesce *q = t->data;
    uv_close((uv_handle_t *)t, retry_closed);
    begin_start(q);
}

/* All tasks are taken: the stack waits for one. */
static bool retry_later(struct quiesce *q)
{
    uv_timer_t *t = mem_zalloc(sizeof *t);
    if (!t || uv_timer_init(q->loop, t) != 0) {
        mem_free(t);
        return false;
    }
    t->data = q;
    return uv_timer_start(t, on_retry, QUIESCE_TASK_MS, 0) == 0;
}

static void begin_start(struct quiesce *q)
{
    struct err e = {0};
    q->phase = QUIESCE_STARTING;
    if (!q->down.owes_start) {
        quiesce_end(q);
    } else if (!start_task(q, &e) && !retry_later(q)) {
        (void)snprintf(q->up.problem, sizeof q->up.problem, "%s", e.msg);
        quiesce_end(q);
    }
}

static void after_start(struct quiesce *q)
{
    if (q->leaving && q->up.left)
        leave_job(q);
    else
        quiesce_end(q);
}

/* ---- the job's work ---- */

static void start(struct job *j, void *work)
{
    struct quiesce *q = work;
    struct err e = {0};
    q->job = j;
    if (!start_task(q, &e))
        end_without_inner(q, &(struct job_outcome){.state = JOB_FAILED,
                                                   .exit_code = -1,
                                                   .word = "not_started",
                                                   .sentence = e.msg,
                                                   .api = e.code});
}

static void stop(struct job *j, void *work, enum job_stop why)
{
    struct quiesce *q = work;
    atomic_store(&q->cancel, true);
    if (q->phase == QUIESCE_INNER)
        q->ops->stop(j, q->work, why);
    else if (q->phase == QUIESCE_STARTING)
        job_notice(j, "cancel_requested",
                   "the stack is being started again, and that goes on to its end");
}

/* A stop is left as it is, and so is a start that has not begun: the next start of the daemon goes
 * on with them. A backup is ended and then the stack started; AIO's script does not need us for
 * that, should we be killed meanwhile. */
static void leave(struct job *j, void *work)
{
    struct quiesce *q = work;
    bool stopped = atomic_load(&q->cancel);
    q->leaving = true;
    if (q->phase == QUIESCE_INNER && !stopped)
        q->ops->stop(j, q->work, JOB_STOP_SHUTDOWN);
    else if (q->task && (q->phase == QUIESCE_STOPPING || !aio_teller_executed(&q->teller)))
        task_stop(q->task);
}

static void free_work(void *work)
{
    struct quiesce *q = work;
    if (!q)
        return;
    if (q->ops->free)
        q->ops->free(q->work);
    quiesce_outcome_free(q->down.out);
    quiesce_drop_outcome(q);
    mem_free(q);
}

const struct job_ops quiesce_ops = {
    .start = start, .stop = stop, .leave = leave, .free = free_work};

void *quiesce_new(const struct quiesce_spec *s)
{
    struct quiesce *q = mem_zalloc(sizeof *q);
    if (!q) {
        if (s->ops->free)
            s->ops->free(s->work);
        return NULL;
    }
    q->means = *s->means;
    q->loop = s->loop;
    q->ops = s->ops;
    q->work = s->work;
    q->start_after = s->start_after;
    return q;
}
