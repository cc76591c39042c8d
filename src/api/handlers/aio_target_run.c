/* A backup to another target than AIO's own: the configuration is read first, so that the answer
 * and the events can say what the target was. */
#include "aio/config/config_file.h"
#include "api/aio_call.h"
#include "api/aio_wants.h"
#include "api/handlers/aio_run.h"
#include "api/idempotency.h"
#include "api/worker.h"
#include "limits.h"

struct asked {
    struct aio_call call;
    const char *file;
    struct aio_settings settings;
    bool read;
    struct err e;
};

static void read_settings(void *data)
{
    struct asked *a = data;
    a->read = config_file_read(a->file, &a->settings, &a->e);
}

static void go(struct call *c, void *data)
{
    struct asked *a = data;
    if (!a->read) {
        call_error(c, &a->e);
        return;
    }
    a->call.previous = &a->settings.target;
    aio_call(c, &a->call);
}

static void ask(struct call *c, bool async)
{
    struct err e = {0};
    struct asked *a = call_alloc(c, sizeof *a);
    if (!a)
        return;
    *a = (struct asked){
        .call = {.kind = AIO_KIND_TARGET,
                 .wait_s = async ? 0 : (int)call_int(c, "timeout", AIO_ANSWER_S),
                 .with_stop = call_bool(c, "with_stop", false),
                 .warning = call_secret(c, "backup_restore_password")
                                ? "the backup's password has no effect here: AIO takes it from "
                                  "its own configuration"
                                : NULL},
        .file = c->app->aio.config_file};
    if (!aio_wants_run(c, &a->call.wants, &e) || !aio_wants_targets(c, &a->call.wants, &e))
        call_error(c, &e);
    else
        (void)call_in_worker(c, read_settings, go, a);
}

static void now(struct call *c)
{
    ask(c, false);
}

static void later(struct call *c)
{
    ask(c, true);
}

void aio_target_run_now(struct call *c)
{
    call_idempotent(c, now);
}

void aio_target_run_async(struct call *c)
{
    call_idempotent(c, later);
}
