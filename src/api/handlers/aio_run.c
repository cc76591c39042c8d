#include "api/handlers/aio_run.h"

#include "api/aio_call.h"
#include "api/aio_wants.h"
#include "api/idempotency.h"
#include "limits.h"

static int wait_of(const struct call *c, int usual)
{
    return (int)call_int(c, "timeout", usual);
}

static const char *warning_of(const struct call *c)
{
    return call_secret(c, "backup_restore_password") || call_secret(c, "BACKUP_RESTORE_PASSWORD")
               ? "the backup's password has no effect here: AIO takes it from its own configuration"
               : NULL;
}

/* ---- POST /nextcloud/daily-backup/run ---- */

static const char *kind_of(const struct aio_wants *w)
{
    if (w->daily_backup)
        return AIO_KIND_RUN;
    if (w->check_backup)
        return AIO_KIND_CHECK;
    if (w->automatic_updates)
        return AIO_KIND_UPDATE;
    return w->start_containers ? AIO_KIND_START : AIO_KIND_STOP;
}

static void run(struct call *c, bool async)
{
    struct err e = {0};
    struct aio_call a = {.wait_s = async ? 0 : wait_of(c, AIO_ANSWER_S),
                         .with_stop = call_bool(c, "with_stop", false),
                         .warning = warning_of(c)};
    if (!aio_wants_run(c, &a.wants, &e)) {
        call_error(c, &e);
        return;
    }
    a.kind = kind_of(&a.wants);
    aio_call(c, &a);
}

static void run_now(struct call *c)
{
    run(c, false);
}

static void run_async(struct call *c)
{
    run(c, true);
}

void aio_run_now(struct call *c)
{
    call_idempotent(c, run_now);
}

void aio_run_async(struct call *c)
{
    call_idempotent(c, run_async);
}

/* ---- the script under its own words ---- */

static void by_flags(struct call *c, const char *kind, struct aio_wants wants)
{
    struct err e = {0};
    struct aio_call a = {.kind = kind,
                         .wants = wants,
                         .wait_s = wait_of(c, AIO_ANSWER_S),
                         .flat = true,
                         .warning = warning_of(c)};
    if (!aio_wants_flags(c, &a.wants, &e))
        call_error(c, &e);
    else if (a.wants.daily_backup != wants.daily_backup || a.wants.check_backup) {
        (void)err_field(&e, ERR_BAD_REQUEST, "extra_env",
                        "this route decides itself whether it "
                        "backs up; for anything else use /nextcloud/daily-backup/run");
        call_error(c, &e);
    } else {
        aio_call(c, &a);
    }
}

static void official(struct call *c)
{
    by_flags(c, AIO_KIND_RUN,
             (struct aio_wants){.daily_backup = true,
                                .stop_containers = true,
                                .start_containers = true,
                                .send_notifications = true,
                                .restore_after = true});
}

void aio_run_official(struct call *c)
{
    call_idempotent(c, official);
}

/* Without updates it is a start, never the stop of everything that AIO would make of it. */
static void update(struct call *c)
{
    by_flags(c, AIO_KIND_UPDATE,
             (struct aio_wants){
                 .start_containers = true, .automatic_updates = true, .send_notifications = true});
}

void aio_run_update(struct call *c)
{
    call_idempotent(c, update);
}

/* ---- one thing each ---- */

static void check(struct call *c)
{
    aio_call(c, &(struct aio_call){.kind = AIO_KIND_CHECK,
                                   .wants = {.check_backup = true,
                                             .send_notifications = true,
                                             .strict = call_bool(c, "strict", false)},
                                   .wait_s = wait_of(c, AIO_ANSWER_S)});
}

void aio_run_check(struct call *c)
{
    call_idempotent(c, check);
}

static void stop(struct call *c)
{
    aio_call(c, &(struct aio_call){
                    .kind = AIO_KIND_STOP,
                    .wants = {.stop_containers = true, .strict = call_bool(c, "strict", false)},
                    .wait_s = wait_of(c, c->app->config->aio_stop_timeout_s),
                    .pending = true,
                    .effect = "containers_stopped"});
}

void aio_run_stop(struct call *c)
{
    call_idempotent(c, stop);
}

void aio_run_containers_stop(struct call *c)
{
    call_idempotent(c, stop);
}

static void start(struct call *c)
{
    aio_call(c, &(struct aio_call){
                    .kind = AIO_KIND_START,
                    .wants = {.start_containers = true, .strict = call_bool(c, "strict", false)},
                    .wait_s = wait_of(c, AIO_ANSWER_S),
                    .effect = "containers_started"});
}

void aio_run_containers_start(struct call *c)
{
    call_idempotent(c, start);
}
