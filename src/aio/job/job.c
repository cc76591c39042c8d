#include "aio/job/job.h"

#include "aio/job/report.h"
#include "base/mem.h"
#include "docker/engine.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

struct aio_job {
    struct aio_job_means means;
    struct aio_wants wants;
    struct aio_target previous;
    bool previous_known, recovers;
    struct job *job;
    struct task *task;
    bool leaving;       /* the daemon goes down */
    atomic_bool cancel; /* set by the loop */
    struct aio_teller teller;
    /* the task's until it is over */
    struct aio_outcome out;
    char hint[256];
};

/* ---- in the task ---- */

/* What came later of a run that was left counts for how things stand now; what is known of its
 * backups stays. */
static void take_later(struct aio_outcome *out, struct aio_outcome *later)
{
    out->left = later->left;
    out->still_running = later->still_running;
    out->target_restored = later->target_restored;
    out->down_ms = later->down_ms >= 0 ? later->down_ms : out->down_ms;
    if (later->service_checked) {
        out->service_checked = true;
        out->service = later->service;
    }
    aio_outcome_done(later);
}

/* A run that is left although the daemon stays is looked after until it is over: nobody else does
 * before the next start. */
static void see_to_its_end(struct engine *en, struct aio_job *w, struct task *t,
                           const struct aio_tell *tell)
{
    while (w->out.left && !task_stopping(t) && task_sleep(t, AIO_LEFT_MS)) {
        struct aio_outcome *later = mem_zalloc(sizeof *later);
        if (!later)
            continue;
        aio_run_recover(en, w->means.context, tell, later);
        take_later(&w->out, later);
        mem_free(later);
    }
}

static void run(struct task *t, void *data)
{
    struct aio_job *w = data;
    struct aio_tell tell;
    aio_teller_begin(&w->teller, t, &tell);
    struct err e = {0};
    struct engine *en = engine_open(w->means.context->docker_host, t, &e);
    if (!en) {
        w->out.returncode = -1;
        w->out.down_ms = -1;
        w->out.api = e.code;
        (void)snprintf(w->out.word, sizeof w->out.word, "not_started");
        (void)snprintf(w->out.sentence, sizeof w->out.sentence, "%s", e.msg);
        return;
    }
    if (w->recovers)
        aio_run_recover(en, w->means.context, &tell, &w->out);
    else
        aio_run(en, w->means.context, &w->wants, &tell, &w->cancel, &w->out);
    (void)snprintf(w->hint, sizeof w->hint, "%s", w->out.ok ? "" : engine_hint(en));
    see_to_its_end(en, w, t, &tell);
    engine_close(en);
}

/* ---- the end ---- */

static enum job_state state_of(const struct aio_job *w)
{
    const struct aio_outcome *o = &w->out;
    bool adopted = w->recovers && strcmp(job_kind(w->job), AIO_KIND_RECOVER) != 0;
    if (adopted || (!o->ok && o->api == ERR_INTERRUPTED))
        return JOB_INTERRUPTED;
    if (o->ok)
        return o->warning ? JOB_WARNING : JOB_SUCCEEDED;
    return o->cancelled ? JOB_CANCELLED : JOB_FAILED;
}

static enum err_code api_of(const struct aio_job *w, enum job_state state)
{
    if (state == JOB_SUCCEEDED || state == JOB_WARNING)
        return ERR_NONE;
    if (w->out.api != ERR_NONE)
        return w->out.api;
    return state == JOB_INTERRUPTED ? ERR_INTERRUPTED : ERR_COMMAND_FAILED;
}

static void end(struct aio_job *w)
{
    const struct aio_outcome *o = &w->out;
    const struct aio_report r = {.context = w->means.context,
                                 .wants = &w->wants,
                                 .previous = w->previous_known ? &w->previous : NULL,
                                 .outcome = o,
                                 .hint = w->hint};
    struct buf result, verdict, status;
    buf_init(&result, LIMIT_RECORD);
    buf_init(&verdict, LIMIT_RECORD);
    buf_init(&status, LIMIT_RECORD);
    aio_report_result(&r, &result);
    aio_report_verdict(&r, &verdict);
    aio_report_status(&r, &status);
    job_set_result(w->job, buf_str(&result));
    job_set_status(w->job, buf_str(&status));
    enum job_state state = state_of(w);
    job_end(w->job, &(struct job_outcome){
                        .state = state,
                        /* what went on to its end has ended as it has */
                        .keep_state = !o->cancelled && !o->still_running,
                        .exit_code = o->returncode,
                        .word = o->word,
                        .sentence = o->sentence,
                        .verdict_json = buf_str(&verdict),
                        .api = api_of(w, state),
                        .field = o->field[0] ? o->field : NULL,
                        .stdout_tail = o->out,
                        .stderr_tail = o->err,
                    });
    buf_done(&result);
    buf_done(&verdict);
    buf_done(&status);
}

static void over(void *data)
{
    struct aio_job *w = data;
    w->task = NULL;
    for (int i = 0; i < 2; i++) {
        static const char *const words[] = {"stdout.done", "stderr.done"};
        hub_append(job_hub(w->job), EVENT_DONE, words[i], strlen(words[i]), NULL);
    }
    if (w->leaving && w->out.left)
        job_leave(w->job, "the daemon goes down; AIO's run is not over and its job goes on when "
                          "the daemon is back");
    else
        end(w);
}

/* ---- the job's work ---- */

static void start(struct job *j, void *work)
{
    struct aio_job *w = work;
    struct err e = {0};
    w->job = j;
    (void)snprintf(w->wants.job_id, sizeof w->wants.job_id, "%s", job_id(j));
    aio_teller_init(&w->teller, j, &w->means);
    w->task = task_start(w->means.tasks, run, over, w, &e);
    if (!w->task)
        job_end(j, &(struct job_outcome){.state = JOB_FAILED,
                                         .exit_code = -1,
                                         .word = "not_started",
                                         .sentence = e.msg,
                                         .api = e.code});
}

static void stop(struct job *j, void *work, enum job_stop why)
{
    struct aio_job *w = work;
    atomic_store(&w->cancel, true);
}

static void leave(struct job *j, void *work)
{
    struct aio_job *w = work;
    w->leaving = true;
    if (w->task)
        task_stop(w->task);
}

static void free_work(void *work)
{
    struct aio_job *w = work;
    if (!w)
        return;
    aio_outcome_done(&w->out);
    mem_free(w);
}

const struct job_ops aio_job_ops = {
    .start = start, .stop = stop, .leave = leave, .free = free_work};

void *aio_job_new(const struct aio_job_spec *s)
{
    struct aio_job *w = mem_zalloc(sizeof *w);
    if (!w)
        return NULL;
    w->means = *s->means;
    w->wants = *s->wants;
    w->recovers = s->recovers;
    w->previous_known = s->previous != NULL;
    if (s->previous)
        w->previous = *s->previous;
    return w;
}
