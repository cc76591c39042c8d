#include "api/aio_call.h"

#include "aio/job/report.h"
#include "api/aio_answer.h"
#include "api/engine_call.h"
#include "api/idempotency.h"
#include "limits.h"

#include <string.h>

/* The job in the way says more than the rule that it is. */
static void refuse(struct call *c, struct err *e, const char *other)
{
    const struct job *j = other[0] ? jobs_find(c->app->jobs, other) : NULL;
    bool recovers = j && strcmp(job_kind(j), AIO_KIND_RECOVER) == 0;
    if (e->code == ERR_RECOVERING || (e->code == ERR_JOB_RUNNING && recovers))
        (void)err_set(e, ERR_RECOVERING, "job %s sees to the end of an earlier run of AIO", other);
    else if (e->code == ERR_JOB_RUNNING)
        (void)err_set(e, ERR_AIO_BUSY, "job %s works with Nextcloud AIO", other);
    call_error_job(c, e, other[0] ? other : NULL);
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct call *c = arg;
    const struct aio_call *a = c->state;
    if (!j)
        call_error(c, e);
    else if (c->prefer_async)
        call_job_started(c, 202, j);
    else if (a->wait_s == 0 && c->prefer_wait_s < 0)
        call_job_started(c, 200, j);
    else
        aio_answer_await(c, j);
}

static void make(struct call *c, const struct aio_call *a)
{
    const struct aio_job_spec work = {
        .means = &c->app->aio_means, .wants = &a->wants, .previous = a->previous};
    const struct aio_report known = {
        .context = &c->app->aio, .wants = &a->wants, .previous = a->previous};
    struct err e = {0};
    char other[128] = "";
    struct buf params, status, private;
    buf_init(&params, LIMIT_RECORD);
    buf_init(&status, LIMIT_RECORD);
    buf_init(&private, LIMIT_RECORD);
    call_params(c, &params);
    aio_report_status(&known, &status);
    aio_report_private(&known, &private);
    struct job_spec spec = {.kind = a->kind,
                            .unslotted = true, /* it mostly waits, and has no child */
                            .keys = {AIO_KEY},
                            .key_count = 1,
                            .role = role_name(c->role),
                            .address = c->req->peer,
                            .params_json = buf_str(&params),
                            .private_json = buf_str(&private),
                            .status_json = buf_str(&status),
                            .idem_key = c->idempotency_key,
                            .idem_fingerprint = call_fingerprint(c),
                            .ops = &aio_job_ops,
                            .work = aio_job_new(&work)};
    if (!spec.work) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
        call_error(c, &e);
    } else if (!jobs_create(c->app->jobs, &spec, on_created, c, other, sizeof other, &e)) {
        refuse(c, &e, other);
    }
    buf_done(&params);
    buf_done(&status);
    buf_done(&private);
}

void aio_call(struct call *c, const struct aio_call *a)
{
    struct err e = {0};
    struct aio_call *copy = call_alloc(c, sizeof *copy);
    if (!copy)
        return;
    *copy = *a;
    c->state = copy;
    if (call_bool(c, "dry_run", false)) {
        (void)err_field(&e, ERR_BAD_REQUEST, "dry_run",
                        "AIO's script cannot be tried; POST /nextcloud/preflight looks at all that "
                        "a run begins with, and touches nothing");
        call_error(c, &e);
        return;
    }
    if (!*c->app->aio.whitelist.master) {
        (void)err_field(&e, ERR_CONTAINER_NOT_FOUND, "AIO_MASTER",
                        "AIO_MASTER is empty: there is no Nextcloud AIO to work with");
        call_engine_error(c, &e, "set AIO_MASTER to the name of AIO's master container");
        return;
    }
    make(c, copy);
}
