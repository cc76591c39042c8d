#include "aio/job.h"

#include "aio/report.h"
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
    atomic_bool held;   /* the store is behind: the task waits before its next line */
    /* the task's until it is over */
    struct aio_outcome out;
    char hint[256];
};

/* ---- from the task to the loop ---- */

enum word { SAYS_LINE, SAYS_STAGE, SAYS_NOTICE, SAYS_EXEC };

struct said {
    enum word what;
    enum event_kind kind;
    enum aio_stage stage;
    char name[AIO_CONTAINER_NAME]; /* of the notice, or of the container */
    size_t n;
    char text[];
};

/* What the task's side knows of itself. */
struct teller {
    struct aio_job *w;
    struct task *t;
};

static void deliver(void *data, void *message)
{
    struct aio_job *w = data;
    struct said *m = message;
    struct hub_job *hub = job_hub(w->job);
    switch (m->what) {
    case SAYS_LINE:
        hub_append(hub, m->kind, m->text, m->n, NULL);
        break;
    case SAYS_STAGE:
        job_stage(w->job, aio_stage_name(m->stage));
        break;
    case SAYS_NOTICE:
        job_notice(w->job, m->name, m->text);
        break;
    case SAYS_EXEC:
        if (w->means.executed)
            w->means.executed(w->means.arg, job_id(w->job), m->name, m->text);
        break;
    }
    if (!hub_writable(hub))
        atomic_store(&w->held, true); /* until on_ready */
    mem_free(m);
}

static void on_ready(void *arg)
{
    struct aio_job *w = arg;
    atomic_store(&w->held, false);
}

/* Nothing is said when memory is gone: the run matters more than its lines. */
static void say(const struct teller *at, const struct said *head, const char *text, size_t n)
{
    struct said *m = mem_alloc(sizeof *m + n + 1);
    if (!m)
        return;
    *m = *head;
    m->n = n;
    if (n)
        memcpy(m->text, text, n);
    m->text[n] = '\0';
    task_post(at->t, deliver, m);
}

static void tell_stage(void *arg, enum aio_stage s)
{
    if (s != AIO_STAGE_NONE)
        say(arg, &(struct said){.what = SAYS_STAGE, .stage = s}, NULL, 0);
}

static enum event_kind kind_of(const char *kind)
{
    if (strcmp(kind, "stderr") == 0)
        return EVENT_STDERR;
    return strcmp(kind, "borg") == 0 ? EVENT_BORG : EVENT_STDOUT;
}

static void tell_line(void *arg, const char *kind, const char *line, size_t n)
{
    const struct teller *at = arg;
    while (atomic_load(&at->w->held) && task_sleep(at->t, AIO_HELD_MS)) {
    }
    say(at, &(struct said){.what = SAYS_LINE, .kind = kind_of(kind)}, line,
        n < LIMIT_LINE_SHOWN ? n : LIMIT_LINE_SHOWN);
}

static void tell_notice(void *arg, const char *event, const char *sentence)
{
    struct said head = {.what = SAYS_NOTICE};
    (void)snprintf(head.name, sizeof head.name, "%s", event);
    say(arg, &head, sentence, strlen(sentence));
}

static void tell_executed(void *arg, const char *container, const char *command)
{
    struct said head = {.what = SAYS_EXEC};
    (void)snprintf(head.name, sizeof head.name, "%s", container);
    say(arg, &head, command, strlen(command));
}

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
    struct teller at = {w, t};
    const struct aio_tell tell = {.stage = tell_stage,
                                  .line = tell_line,
                                  .notice = tell_notice,
                                  .executed = tell_executed,
                                  .arg = &at};
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
    hub_on_ready(job_hub(j), on_ready, w);
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
