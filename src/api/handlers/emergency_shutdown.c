/* POST /emergency/shutdown: a job, answered when it has ended or when the answer has waited long
 * enough; a dry run is answered at once and makes none. */
#include "api/handlers/emergency.h"

#include "api/emergency_job.h"
#include "api/engine_call.h"
#include "api/idempotency.h"
#include "api/worker.h"
#include "base/mem.h"
#include "jobs/hold.h"
#include "limits.h"

#include <string.h>
#include <sys/time.h>

static void write_time(struct jsonw *w)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    jsonw_kseconds(w, "timestamp", (double)now.tv_sec + (double)now.tv_usec / 1e6);
}

static enum emergency_level level_of(const struct call *c)
{
    return emergency_level_parse(call_str(c, "level", "all"));
}

/* ---- the answer ---- */

/* The members of the job's result are the answer's: level, results, hold. */
static void add_result(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *result = job_result(j);
    size_t n = result ? strlen(result) : 0;
    jsonw_kbool(w, "emergency_shutdown", true);
    write_time(w);
    if (n > 2) {
        (void)buf_putc(w->b, ',');
        (void)buf_append(w->b, result + 1, n - 2);
    }
}

static struct emergency_spec spec_of(struct call *c)
{
    return (struct emergency_spec){.app = c->app,
                                   .level = level_of(c),
                                   .role = role_name(c->role),
                                   .identity = c->identity,
                                   .address = c->req->peer,
                                   .reason = call_str(c, "reason", NULL)};
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct call *c = arg;
    if (!j) {
        call_error(c, e);
        return;
    }
    const struct emergency_spec s = spec_of(c);
    emergency_audit(c->app, &s, "emergency_shutdown", job_id(j), "allowed");
    int wait_s = c->prefer_wait_s >= 0
                     ? c->prefer_wait_s
                     : (int)call_int(c, "timeout", c->app->config->aio_stop_timeout_s);
    if (c->prefer_async)
        call_job_started(c, 202, j);
    else
        call_await_job(c, j, wait_s);
}

static void shutdown_now(struct call *c)
{
    struct err e = {0};
    char other[128] = "";
    struct buf params;
    const struct emergency_spec s = spec_of(c);
    buf_init(&params, LIMIT_RECORD);
    call_params(c, &params);
    struct job_spec spec = {.kind = EMERGENCY_KIND,
                            .unslotted = true,
                            .in_hold = true,
                            .keys = {EMERGENCY_KEY},
                            .key_count = 1,
                            .role = s.role,
                            .address = s.address,
                            .params_json = buf_str(&params),
                            .deadline_s = EMERGENCY_S,
                            .idem_key = c->idempotency_key,
                            .idem_fingerprint = call_fingerprint(c),
                            .ops = &emergency_job_ops,
                            .work = emergency_job_new(&s)};
    c->members = c->fault_members = add_result;
    c->late = call_job_pending;
    if (!spec.work) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
        call_error(c, &e);
    } else if (!jobs_create(c->app->jobs, &spec, on_created, c, other, sizeof other, &e)) {
        if (e.code == ERR_JOB_RUNNING)
            (void)err_set(&e, ERR_JOB_RUNNING,
                          "an emergency shutdown or a resume is in hand already: job %s", other);
        call_error_job(c, &e, other[0] ? other : NULL);
    }
    buf_done(&params);
}

/* ---- a dry run ---- */

struct dry {
    struct call *c;
    const struct aio_context *aio;
    struct emergency_report r;
};

static void answer_dry(struct call *c, void *data)
{
    struct dry *d = data;
    struct emergency_report *r = &d->r;
    struct buf b;
    struct jsonw w;
    if (r->planned && !r->halt.found)
        (void)snprintf(r->stack_skipped, sizeof r->stack_skipped, "there is no Nextcloud AIO");
    call_begin(c, &b, &w, true);
    jsonw_kbool(&w, "emergency_shutdown", false);
    jsonw_kbool(&w, "dry_run", true);
    jsonw_kstr(&w, "level", emergency_level_name(r->level));
    emergency_write_results(r, &w);
    jsonw_key(&w, "hold");
    hold_write(c->app->hold, &w);
    write_time(&w);
    call_reply(c, 200, &b, &w);
}

static void look_dry(void *data)
{
    struct dry *d = data;
    presence_look(&d->r.presence);
    d->r.looked = true;
}

static void plan_dry(struct engine *en, void *data)
{
    struct dry *d = data;
    look_dry(d);
    d->r.planned = halt_plan(en, d->aio, &d->r.halt, &d->r.stack_error);
    if (!d->r.planned)
        (void)snprintf(d->r.hint, sizeof d->r.hint, "%s", engine_hint(en));
}

static void dry_run(struct call *c)
{
    struct dry *d = arena_alloc(&c->req->arena, sizeof *d);
    if (!d) {
        struct err e;
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
        call_error(c, &e);
        return;
    }
    d->c = c;
    d->aio = &c->app->aio;
    d->r.level = level_of(c);
    d->r.would = true;
    emergency_job_look(c->app, &d->r);
    if (d->r.level == EMERGENCY_ALL && !d->r.stack_skipped[0])
        (void)call_in_task(c, plan_dry, answer_dry, d);
    else
        (void)call_in_worker(c, look_dry, answer_dry, d);
}

void emergency_shutdown(struct call *c)
{
    if (call_bool(c, "dry_run", false))
        dry_run(c);
    else
        call_idempotent(c, shutdown_now);
}
