#include "api/handlers/aio_target.h"

#include "aio/look/look.h"
#include "aio/run/run.h"
#include "aio/target/target.h"
#include "api/engine_call.h"
#include "api/worker.h"

#include <stdio.h>
#include <string.h>

/* In the request's arena; the task's or the worker's until `after`. */
struct asked {
    const struct aio_context *x;
    struct aio_target target, previous;
    bool switched; /* a journal stands */
    struct target_journal journal;
    bool ok;
    struct err e;
    char hint[256];
};

static struct asked *begin(struct call *c)
{
    struct asked *a = call_alloc(c, sizeof *a);
    if (a)
        a->x = &c->app->aio;
    return a;
}

static void write_location(struct jsonw *w, const struct aio_target *t)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "host_location", t->host_location);
    jsonw_kstr(w, "remote_repo", t->remote_repo);
    jsonw_end_object(w);
}

/* ---- reading ---- */

static void read_target(void *data)
{
    struct asked *a = data;
    struct aio_settings now;
    struct err why = {0};
    a->switched = target_journal_read(a->x, &a->journal, &why);
    a->ok = config_file_read(a->x->config_file, &now, &a->e);
    if (a->ok)
        a->target = now.target;
}

static void answer_get(struct call *c, void *data)
{
    struct asked *a = data;
    struct buf b;
    struct jsonw w;
    if (!a->ok) {
        call_error(c, &a->e);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "target");
    aio_target_write(&a->target, &w);
    jsonw_key(&w, "switched");
    if (a->switched) {
        jsonw_begin_object(&w);
        jsonw_kstr(&w, "job_id", a->journal.job_id);
        jsonw_key(&w, "original");
        aio_target_write(&a->journal.original, &w);
        jsonw_end_object(&w);
    } else {
        jsonw_null(&w);
    }
    call_reply(c, 200, &b, &w);
}

void aio_target_get(struct call *c)
{
    struct asked *a = begin(c);
    if (a)
        (void)call_in_worker(c, read_target, answer_get, a);
}

/* ---- setting ---- */

/* Nobody's run may be active: AIO reads the target when a run begins, and borg reads our change. */
static bool idle(struct engine *en, struct asked *a)
{
    const char *what = "";
    struct aio_look *look = &(struct aio_look){0};
    if (!a->x->whitelist.master[0])
        return true;
    if (!aio_look(en, a->x, look, &a->e)) {
        (void)snprintf(a->hint, sizeof a->hint, "%s", engine_hint(en));
        return a->x->optional && a->e.code == ERR_DOCKER_REFUSED;
    }
    if (look->master_found && !look->script_known) {
        a->e = look->script_why;
        (void)snprintf(a->hint, sizeof a->hint, "%s", engine_hint(en));
        return false;
    }
    return !aio_look_busy(look, &what) ||
           err_set(&a->e, ERR_AIO_BUSY, "%s is running: the target can be changed when it is over",
                   what);
}

static void set_target(struct engine *en, void *data)
{
    struct asked *a = data;
    struct aio_settings now;
    if (!idle(en, a))
        return;
    a->e = (struct err){0};
    a->ok = config_file_read(a->x->config_file, &now, &a->e) &&
            aio_target_apart(&a->target, now.datadir, &a->e) &&
            target_set(a->x, &a->target, &a->previous, &a->e);
}

static const char *named(const struct aio_target *t)
{
    return t->remote_repo[0] ? t->remote_repo : t->host_location;
}

static void answer_post(struct call *c, void *data)
{
    struct asked *a = data;
    struct buf b;
    struct jsonw w;
    (void)call_audit_note(c, "backup_target", named(&a->target), NULL, a->ok ? "done" : "failed");
    if (!a->ok) {
        call_engine_error(c, &a->e, a->hint);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "target");
    aio_target_write(&a->target, &w);
    jsonw_key(&w, "previous");
    write_location(&w, &a->previous);
    call_reply(c, 200, &b, &w);
}

void aio_target_post(struct call *c)
{
    struct err e = {0};
    const struct job *busy = jobs_holder(c->app->jobs, AIO_KEY);
    struct asked *a = begin(c);
    if (!a)
        return;
    (void)snprintf(a->target.host_location, sizeof a->target.host_location, "%s",
                   call_str(c, "host_location", ""));
    (void)snprintf(a->target.remote_repo, sizeof a->target.remote_repo, "%s",
                   call_str(c, "remote_repo", ""));
    if (!aio_target_valid(&a->target, &e)) {
        call_error(c, &e);
    } else if (busy) {
        (void)err_set(&e, ERR_AIO_BUSY, "an AIO job is running");
        call_error_job(c, &e, job_id(busy));
    } else if (call_audit(c, "backup_target", named(&a->target), NULL, NULL, "allowed")) {
        (void)call_in_task(c, set_target, answer_post, a);
    }
}
