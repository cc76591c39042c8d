#include "api/emergency_job.h"

#include "base/mem.h"
#include "docker/engine.h"
#include "jobs/hold.h"
#include "sys/task.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

struct emergency {
    struct app *app;
    struct job *job;
    char role[16], identity[24], address[64], reason[HOLD_REASON + 1];
    uv_timer_t timer;
    uint64_t began; /* of what is waited for, on the loop's clock */
    struct task *task;
    void (*work)(struct task *t, void *data); /* of the task that is waited for */
    void (*done)(void *data);
    bool stopping;
    struct err hold_error; /* why the hold is not durable */
    struct buf out;        /* what it said */
    struct emergency_report report;
};

enum { SAID = 64 * 1024 };

static void say(struct emergency *m, const char *line)
{
    hub_append(job_hub(m->job), EVENT_STDOUT, line, strlen(line), NULL);
    (void)buf_printf(&m->out, "%s\n", line);
}

/* ---- the result, so far and at the end ---- */

static void render(const struct emergency *m, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "level", emergency_level_name(m->report.level));
    emergency_write_results(&m->report, &w);
    jsonw_key(&w, "hold");
    hold_write(m->app->hold, &w);
    jsonw_kstr(&w, "hold_problem", m->hold_error.code != ERR_NONE ? m->hold_error.msg : NULL);
    jsonw_end_object(&w);
}

static void show(struct emergency *m)
{
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    render(m, &b);
    job_set_result(m->job, b.failed ? NULL : buf_str(&b));
    buf_done(&b);
}

static void finish(struct emergency *m)
{
    struct emergency_verdict v;
    const struct emergency_spec who = {
        .level = m->report.level, .role = m->role, .identity = m->identity, .address = m->address};
    emergency_judge(&m->report, &m->hold_error, &v);
    show(m);
    emergency_audit(m->app, &who, "emergency_shutdown", job_id(m->job),
                    v.state == JOB_FAILED || m->stopping ? "failed" : "done");
    job_end(m->job, &(struct job_outcome){.state = v.state,
                                          .exit_code = -1,
                                          .word = m->stopping ? NULL : v.word,
                                          .sentence = m->stopping ? NULL : v.sentence,
                                          .api = v.api,
                                          .stdout_tail = buf_str(&m->out)});
}

/* ---- a task ---- */

struct in_task {
    struct emergency *m;
    struct task *t;
};

static void try_task(uv_timer_t *timer)
{
    struct emergency *m = timer->data;
    struct err e = {0};
    (void)uv_timer_stop(timer);
    if (!m->stopping)
        m->task = task_start(m->app->tasks, m->work, m->done, m, &e);
    if (m->task)
        return;
    if (!m->stopping && uv_now(m->app->loop) - m->began < EMERGENCY_TASK_MS) {
        (void)uv_timer_start(timer, try_task, EMERGENCY_LOOK_MS, 0);
        return;
    }
    m->report.stack_error = e;
    finish(m);
}

/* All tasks may be taken for a moment, by whoever only asks. */
static void start_task(struct emergency *m, void (*work)(struct task *t, void *data),
                       void (*done)(void *data))
{
    m->work = work;
    m->done = done;
    m->began = uv_now(m->app->loop);
    try_task(&m->timer);
}

static struct engine *open_engine(struct emergency *m, struct task *t)
{
    return engine_open(m->app->aio.docker_host, t, &m->report.stack_error);
}

static void close_engine(struct emergency *m, struct engine *en)
{
    if (en && m->report.stack_error.code != ERR_NONE)
        (void)snprintf(m->report.hint, sizeof m->report.hint, "%s", engine_hint(en));
    engine_close(en);
}

/* What is still there of others, once ours has ended. */
static void look_around(struct task *t, void *data)
{
    struct emergency *m = data;
    presence_look(&m->report.presence);
    m->report.looked = true;
}

static void plan(struct task *t, void *data)
{
    struct emergency *m = data;
    look_around(t, m);
    struct engine *en = open_engine(m, t);
    m->report.planned = en && halt_plan(en, &m->app->aio, &m->report.halt, &m->report.stack_error);
    close_engine(m, en);
}

static void deliver(void *data, void *message)
{
    struct emergency *m = data;
    say(m, message);
    mem_free(message);
}

static void tell(void *arg, const struct halt_step *s)
{
    const struct in_task *at = arg;
    char *line = s->state == HALT_WAITING ? mem_printf("stopping %s", s->name)
                 : s->state == HALT_STOPPED
                     ? mem_printf("stopped %s", s->name)
                     : mem_printf("%s could not be stopped: %s", s->name, s->problem);
    if (line)
        task_post(at->t, deliver, line);
}

static void stop_stack(struct task *t, void *data)
{
    struct emergency *m = data;
    struct in_task at = {m, t};
    struct engine *en = open_engine(m, t);
    if (en)
        (void)halt_run(en, &m->app->aio, &m->report.halt, tell, &at, &m->report.stack_error);
    close_engine(m, en);
}

/* ---- the steps, last first ---- */

static void on_stopped(void *data)
{
    struct emergency *m = data;
    m->task = NULL;
    m->report.stack_done = true;
    finish(m);
}

/* What a resume owes is durable before the first container is stopped. */
static void on_owed(void *arg, const struct err *e)
{
    struct emergency *m = arg;
    if (e)
        m->hold_error = *e;
    if (m->stopping) {
        finish(m);
        return;
    }
    job_stage(m->job, "stack");
    start_task(m, stop_stack, on_stopped);
}

static bool owe(struct emergency *m)
{
    const struct halt *h = &m->report.halt;
    struct hold_state s = *hold_state(m->app->hold);
    s.owes_start = true;
    size_t n = strlen(s.stopped);
    for (size_t i = 0; i < h->count && n < sizeof s.stopped; i++)
        n += (size_t)snprintf(s.stopped + n, sizeof s.stopped - n, "%s%s", n ? "," : "",
                              h->steps[i].name);
    return hold_set(m->app->hold, &s, on_owed, m);
}

/* Without Docker, or without AIO, there is nothing to stop where nobody said that there is. */
static void on_planned(void *data)
{
    struct emergency *m = data;
    struct emergency_report *r = &m->report;
    m->task = NULL;
    bool expected = m->app->config->aio_master_set;
    if (!r->planned && !expected && r->stack_error.code == ERR_DOCKER_REFUSED) {
        (void)snprintf(r->stack_skipped, sizeof r->stack_skipped,
                       "there is no Docker Engine, and AIO_MASTER is not set");
        r->stack_error = (struct err){0};
    } else if (r->planned && !r->halt.found) {
        (void)snprintf(r->stack_skipped, sizeof r->stack_skipped, "there is no Nextcloud AIO");
    } else if (r->planned && r->halt.count && !m->stopping) {
        show(m);
        if (owe(m))
            return;
        (void)err_set(&r->stack_error, ERR_NO_MEMORY, "no memory");
    }
    r->stack_done = r->planned && r->halt.count == 0;
    finish(m);
}

static void on_looked(void *data)
{
    struct emergency *m = data;
    m->task = NULL;
    finish(m);
}

static void next_step(struct emergency *m)
{
    const struct emergency_report *r = &m->report;
    show(m);
    if (m->stopping)
        finish(m);
    else if (r->level == EMERGENCY_ALL && !r->stack_skipped[0])
        start_task(m, plan, on_planned);
    else
        start_task(m, look_around, on_looked);
}

/* ---- ours ---- */

static uint64_t patience(const struct emergency_job *one)
{
    if (one->workflow)
        return EMERGENCY_AIO_MS;
    return one->restarts ? EMERGENCY_RESTART_MS : EMERGENCY_JOBS_MS;
}

/* True while one is waited for. */
static bool look_for(struct emergency *m, uint64_t waited)
{
    bool waits = false;
    for (size_t i = 0; i < m->report.job_count; i++) {
        struct emergency_job *one = &m->report.jobs[i];
        const struct job *j = jobs_find(m->app->jobs, one->id);
        if (!one->ended && (!j || job_state_final(job_state(j)))) {
            char line[256];
            one->ended = true;
            (void)snprintf(line, sizeof line, "%s %s", one->mount_point[0] ? "released" : "ended",
                           one->id);
            say(m, line);
        }
        waits = waits || (!one->ended && waited < patience(one));
    }
    return waits;
}

static void on_look(uv_timer_t *t)
{
    struct emergency *m = t->data;
    if (!m->stopping && look_for(m, uv_now(m->app->loop) - m->began))
        return;
    (void)uv_timer_stop(t);
    m->report.jobs_done = true;
    next_step(m);
}

static void end_jobs(struct emergency *m)
{
    job_stage(m->job, "jobs");
    emergency_job_look(m->app, &m->report);
    for (size_t i = 0; i < m->report.job_count; i++) {
        struct job *j = jobs_find(m->app->jobs, m->report.jobs[i].id);
        if (j && !m->report.jobs[i].recovers)
            (void)job_cancel(j, JOB_STOP_CANCEL);
    }
    m->began = uv_now(m->app->loop);
    show(m);
    (void)uv_timer_start(&m->timer, on_look, 0, EMERGENCY_LOOK_MS);
}

/* ---- the hold ---- */

static void on_held(void *arg, const struct err *e)
{
    struct emergency *m = arg;
    if (e)
        m->hold_error = *e;
    if (m->report.level == EMERGENCY_HOLD || m->stopping)
        finish(m);
    else
        end_jobs(m);
}

static bool hold(struct emergency *m)
{
    struct hold_state s = *hold_state(m->app->hold); /* what an earlier one owes stays owed */
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    s.on = true;
    s.since_ms = (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
    (void)snprintf(s.level, sizeof s.level, "%s", emergency_level_name(m->report.level));
    (void)snprintf(s.job_id, sizeof s.job_id, "%s", job_id(m->job));
    (void)snprintf(s.role, sizeof s.role, "%s", m->role);
    (void)snprintf(s.reason, sizeof s.reason, "%s", m->reason);
    return hold_set(m->app->hold, &s, on_held, m);
}

/* ---- the job's work ---- */

static void start(struct job *j, void *work)
{
    struct emergency *m = work;
    m->job = j;
    show(m);
    job_stage(j, "hold");
    if (!hold(m)) {
        (void)err_set(&m->report.stack_error, ERR_NO_MEMORY, "no memory for the hold");
        finish(m);
    }
}

static void stop(struct job *j, void *work, enum job_stop why)
{
    struct emergency *m = work;
    m->stopping = true;
    if (m->task)
        task_stop(m->task);
}

static void freed(uv_handle_t *h)
{
    struct emergency *m = h->data;
    buf_done(&m->out);
    mem_free(m);
}

static void free_work(void *work)
{
    struct emergency *m = work;
    uv_close((uv_handle_t *)&m->timer, freed);
}

const struct job_ops emergency_job_ops = {.start = start, .stop = stop, .free = free_work};

void *emergency_job_new(const struct emergency_spec *s)
{
    struct emergency *m = mem_zalloc(sizeof *m);
    if (!m)
        return NULL;
    m->app = s->app;
    m->report.level = s->level;
    (void)snprintf(m->role, sizeof m->role, "%s", s->role);
    (void)snprintf(m->identity, sizeof m->identity, "%s", s->identity);
    (void)snprintf(m->address, sizeof m->address, "%s", s->address);
    (void)snprintf(m->reason, sizeof m->reason, "%s", s->reason ? s->reason : "");
    buf_init(&m->out, SAID);
    (void)uv_timer_init(s->app->loop, &m->timer);
    m->timer.data = m;
    return m;
}
