/* Requests that are answered when their job has ended. */
#include "api/call.h"
#include "base/mem.h"
#include "jobs/job.h"

struct await {
    struct await *next; /* in app->awaits */
    struct call *call;
    struct job *job;
    uv_timer_t timer;
};

static void freed(uv_handle_t *h)
{
    mem_free(h->data);
}

/* Takes the waiting apart; the call is still to be answered. */
static struct call *finish(struct await *a)
{
    struct call *c = a->call;
    struct await **p = &c->app->awaits;
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    http_on_gone(c->req, NULL, NULL);
    uv_close((uv_handle_t *)&a->timer, freed);
    return c;
}

static void write_code(struct jsonw *w, const struct job *j)
{
    jsonw_key(w, "returncode");
    if (job_exit_code(j) >= 0)
        jsonw_int(w, job_exit_code(j));
    else /* no program was run */
        jsonw_null(w);
}

static void answer_success(struct call *c, const struct job *j)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    write_code(&w, j);
    jsonw_kstr(&w, "stdout", job_stdout_tail(j));
    jsonw_kstr(&w, "stderr", job_stderr_tail(j));
    if (c->members)
        c->members(c, &w, j);
    call_job_record(&w, j);
    call_reply(c, 200, &b, &w);
}

static enum err_code error_of(const struct job *j)
{
    enum err_code code = job_api_error(j);
    if (code != ERR_NONE)
        return code;
    return job_state(j) == JOB_SUCCEEDED || job_state(j) == JOB_WARNING ? ERR_NONE
                                                                        : ERR_COMMAND_FAILED;
}

static void answer_ended(struct call *c, const struct job *j)
{
    struct err e = {0};
    enum err_code code = error_of(j);
    if (code == ERR_NONE) {
        answer_success(c, j);
        return;
    }
    (void)err_field(&e, code, job_api_field(j), "%s", job_sentence(j));
    struct buf b;
    struct jsonw w;
    call_begin_error(c, &b, &w, &e);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    write_code(&w, j);
    jsonw_kstr(&w, "stdout", job_stdout_tail(j));
    jsonw_kstr(&w, "stderr", job_stderr_tail(j));
    if (c->fault_members)
        c->fault_members(c, &w, j);
    call_job_record(&w, j);
    call_reply(c, err_status(code), &b, &w);
}

static void on_change(void *arg, struct job *j)
{
    struct await *a = arg;
    if (job_state_final(job_state(j)))
        answer_ended(finish(a), j);
}

static bool waited_for(const struct app *app, const struct job *j)
{
    for (const struct await *a = app->awaits; a; a = a->next)
        if (a->job == j)
            return true;
    return false;
}

/* Nobody is there to be answered. A backup goes on all the same; a read has lost its purpose. */
static void on_gone(void *arg)
{
    struct await *a = arg;
    struct job *j = a->job;
    job_unwatch(j, a);
    struct call *c = finish(a);
    struct app *app = c->app;
    call_send(c, 200, NULL, NULL);
    if (job_is_reading(j) && !waited_for(app, j))
        (void)job_cancel(j, JOB_STOP_CANCEL);
}

struct call *call_await_take(struct app *app, struct job *j)
{
    struct await *a = app->awaits;
    while (a && a->job != j)
        a = a->next;
    if (!a)
        return NULL;
    job_unwatch(j, a);
    return finish(a);
}

static void on_timer(uv_timer_t *t)
{
    struct await *a = t->data;
    struct job *j = a->job;
    job_unwatch(j, a);
    struct call *c = finish(a);
    if (c->late)
        c->late(c, j);
    else
        call_job_started(c, 202, j);
}

void call_await_job(struct call *c, struct job *j, int wait_s)
{
    if (job_state_final(job_state(j))) {
        answer_ended(c, j);
        return;
    }
    struct await *a = mem_zalloc(sizeof *a);
    if (!a || !job_watch(j, on_change, a)) {
        mem_free(a);
        call_job_started(c, 202, j); /* too many wait already: this one may poll */
        return;
    }
    a->call = c;
    a->job = j;
    a->next = c->app->awaits;
    c->app->awaits = a;
    (void)uv_timer_init(c->app->loop, &a->timer);
    a->timer.data = a;
    if (wait_s > 0)
        (void)uv_timer_start(&a->timer, on_timer, (uint64_t)wait_s * 1000, 0);
    http_on_gone(c->req, on_gone, a);
}
