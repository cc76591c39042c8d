/* POST /emergency/resume: lifts the hold, and starts AIO's stack again if a shutdown stopped it: a
 * job of AIO's, like any other start. The start stays owed until it has succeeded. */
#include "api/handlers/emergency.h"

#include "aio/job/job.h"
#include "aio/job/report.h"
#include "api/emergency_job.h"
#include "api/idempotency.h"
#include "base/mem.h"
#include "jobs/hold.h"
#include "limits.h"

#include <string.h>
#include <sys/time.h>

/* ---- the answer ---- */

static void write_state(struct call *c, struct jsonw *w, bool lifted)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    jsonw_kbool(w, "resumed", lifted);
    jsonw_key(w, "hold");
    hold_write(c->app->hold, w);
    jsonw_kstr(w, "hold_problem",
               hold_problem(c->app->hold)[0] ? hold_problem(c->app->hold) : NULL);
    jsonw_kseconds(w, "timestamp", (double)now.tv_sec + (double)now.tv_usec / 1e6);
}

static void add_start(struct call *c, struct jsonw *w, const struct job *j)
{
    write_state(c, w, true);
    jsonw_key(w, "start_containers");
    jsonw_begin_object(w);
    jsonw_kstr(w, "job_id", job_id(j));
    jsonw_kstr(w, "state", job_state_name(job_state(j)));
    if (job_state_final(job_state(j)))
        jsonw_kstr(w, "message", job_sentence(j));
    else
        jsonw_kbool(w, "pending", true);
    jsonw_end_object(w);
}

static void answer_without_start(struct call *c, bool lifted)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    write_state(c, &w, lifted);
    jsonw_key(&w, "start_containers");
    jsonw_begin_object(&w);
    jsonw_kbool(&w, "skipped", true);
    jsonw_kstr(&w, "reason", "no emergency shutdown stopped Nextcloud AIO");
    jsonw_end_object(&w);
    call_reply(c, 200, &b, &w);
}

static void answer_refused(struct call *c, const struct err *e, const char *job)
{
    struct buf b;
    struct jsonw w;
    call_begin_error(c, &b, &w, e);
    write_state(c, &w, true);
    jsonw_kstr(&w, "job_id", job);
    call_reply(c, err_status(e->code), &b, &w);
}

/* ---- the start ---- */

/* Outlives the request: the start is owed until it has ended well. */
struct owing {
    struct app *app;
};

static void on_settled(void *arg, const struct err *e)
{
    mem_free(arg);
}

static void on_change(void *arg, struct job *j)
{
    struct owing *o = arg;
    struct hold_state s = *hold_state(o->app->hold);
    if (!job_state_final(job_state(j)))
        return;
    bool well = job_state(j) == JOB_SUCCEEDED || job_state(j) == JOB_WARNING;
    s.owes_start = false;
    s.stopped[0] = '\0';
    if (s.on || !well || !hold_set(o->app->hold, &s, on_settled, o))
        mem_free(o);
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct call *c = arg;
    struct owing *o = j ? mem_zalloc(sizeof *o) : NULL;
    if (!j) {
        answer_refused(c, e, NULL);
        return;
    }
    if (o) {
        o->app = c->app;
        if (!job_watch(j, on_change, o))
            mem_free(o);
    }
    c->members = c->fault_members = add_start;
    c->late = call_job_pending;
    if (c->prefer_async)
        call_job_started(c, 202, j);
    else
        call_await_job(c, j,
                       c->prefer_wait_s >= 0
                           ? c->prefer_wait_s
                           : (int)call_int(c, "timeout", c->app->config->aio_stop_timeout_s));
}

static void start_stack(struct call *c)
{
    struct err e = {0};
    char other[128] = "";
    const struct aio_wants wants = {.start_containers = true};
    const struct aio_job_spec start = {.means = &c->app->aio_means, .wants = &wants};
    const struct aio_report known = {.context = &c->app->aio, .wants = &wants};
    struct buf private;
    buf_init(&private, LIMIT_RECORD);
    aio_report_private(&known, &private);
    struct job_spec spec = {.kind = AIO_KIND_START,
                            .unslotted = true,
                            .in_hold = true,
                            .keys = {AIO_KEY},
                            .key_count = 1,
                            .role = role_name(c->role),
                            .address = c->req->peer,
                            .params_json = "{}",
                            .private_json = buf_str(&private),
                            .idem_key = c->idempotency_key,
                            .idem_fingerprint = call_fingerprint(c),
                            .ops = &aio_job_ops,
                            .work = aio_job_new(&start)};
    bool made =
        spec.work && jobs_create(c->app->jobs, &spec, on_created, c, other, sizeof other, &e);
    buf_done(&private);
    if (made)
        return;
    if (e.code == ERR_NONE)
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
    if (e.code == ERR_JOB_RUNNING)
        (void)err_set(&e, ERR_AIO_BUSY,
                      "the hold is lifted, but job %s works with AIO: ask again when it is over",
                      other);
    answer_refused(c, &e, other[0] ? other : NULL);
}

/* ---- the hold ---- */

static void on_lifted(void *arg, const struct err *e)
{
    struct call *c = arg;
    const struct emergency_spec who = {.level =
                                           emergency_level_parse(hold_state(c->app->hold)->level),
                                       .role = role_name(c->role),
                                       .identity = c->identity,
                                       .address = c->req->peer,
                                       .reason = call_str(c, "reason", NULL)};
    emergency_audit(c->app, &who, "emergency_resume", NULL, "done");
    if (hold_state(c->app->hold)->owes_start)
        start_stack(c);
    else
        answer_without_start(c, true);
}

static void resume_now(struct call *c)
{
    struct err e;
    struct hold_state s = *hold_state(c->app->hold);
    const struct job *other = jobs_holder(c->app->jobs, EMERGENCY_KEY);
    if (other) {
        (void)err_set(&e, ERR_JOB_RUNNING, "the emergency shutdown %s is not over", job_id(other));
        call_error_job(c, &e, job_id(other));
        return;
    }
    if (!s.on && !s.owes_start) {
        answer_without_start(c, false);
        return;
    }
    s.on = false;
    if (hold_set(c->app->hold, &s, on_lifted, c))
        return;
    (void)err_set(&e, ERR_IN_FLIGHT, "another resume is in hand");
    call_error(c, &e);
}

void emergency_resume(struct call *c)
{
    call_idempotent(c, resume_now);
}
