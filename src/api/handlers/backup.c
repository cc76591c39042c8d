#include "api/handlers/backup.h"

#include "aio/run/run.h"
#include "api/handlers/backup_stop.h"
#include "api/idempotency.h"
#include "api/probes.h"
#include "api/route.h"
#include "backup/create/create.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <limits.h>
#include <string.h>

/* One request on its way to its job; lives in the request's arena, so until the answer. */
struct asked {
    struct call *c;
    struct borgmatic_tools tools;
    char file[PATH_MAX];
    bool dry_run;
    bool short_passphrase;
    struct backup_stop stop;
};

/* ---- the answer ---- */

static void answer(struct asked *a, const struct job *j)
{
    struct call *c = a->c;
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_key(&w, "pid");
    if (job_pid(j))
        jsonw_int(&w, job_pid(j));
    else
        jsonw_null(&w);
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    call_job_links(c, &w, job_id(j));
    if (!a->dry_run)
        backup_stop_write(&a->stop, j, &w);
    if (a->short_passphrase) {
        jsonw_key(&w, "warnings");
        jsonw_begin_array(&w);
        jsonw_str(&w, "borg_passphrase is very short");
        jsonw_end_array(&w);
    }
    call_reply(c, c->prefer_async ? 202 : 200, &b, &w);
}

static void answer_failure(struct asked *a, const struct job *j, const struct err *e)
{
    struct buf b;
    struct jsonw w;
    call_begin_error(a->c, &b, &w, e);
    jsonw_kstr(&w, "job_id", job_id(j));
    if (!a->dry_run)
        backup_stop_write(&a->stop, j, &w);
    call_reply(a->c, err_status(e->code), &b, &w);
}

/* borgmatic runs (its pid is known), or the job was over before that. */
static void on_change(void *arg, struct job *j)
{
    struct asked *a = arg;
    struct err e;
    bool final = job_state_final(job_state(j));
    bool failed = !a->dry_run && !job_pid(j) && backup_stop_failed(j, &e);
    if (job_pid(j) == 0 && !final && !failed)
        return;
    if (!failed && !job_pid(j) && job_api_error(j) != ERR_NONE)
        failed = !err_field(&e, job_api_error(j), job_api_field(j), "%s", job_sentence(j));
    job_unwatch(j, a);
    backup_stop_answered(&a->stop);
    if (failed)
        answer_failure(a, j, &e);
    else
        answer(a, j);
}

/* The stack takes its time to stop: the job goes on, and says the rest. */
static void on_late(void *arg, struct job *j)
{
    job_unwatch(j, arg);
    answer(arg, j);
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct asked *a = arg;
    struct call *c = a->c;
    if (!j) {
        call_error(c, e);
        return;
    }
    bool await = a->dry_run || c->prefer_wait_s >= 0;
    if (await && !c->prefer_async)
        call_await_job(c, j, a->dry_run ? 0 : c->prefer_wait_s);
    else if (jobs_must_wait(c->app->jobs, j) || !job_watch(j, on_change, a))
        answer(a, j);
    else
        backup_stop_wait(&a->stop, j, on_late);
}

/* ---- the job ---- */

static void options_of(struct call *c, const struct resolved *config, bool dry_run,
                       struct borgmatic_options *o)
{
    *o = (struct borgmatic_options){
        .verbosity =
            call_has(c, "verbosity") ? (int)call_int(c, "verbosity", 0) : BORGMATIC_VERBOSITY_UNSET,
        .stats = call_bool(c, "stats", false) && !dry_run,
        .list = call_bool(c, "list", false),
        .comment = call_str(c, "comment", NULL),
        .repository = call_str(c, "repository_label", NULL),
        .sectioned = config->sectioned,
    };
}

static bool options_fit(struct asked *a, struct resolved *config, struct borgmatic_options *o)
{
    struct err e = {0};
    struct call *c = a->c;
    if (o->repository) {
        const struct resolved_repo *only = resolved_find(config, o->repository);
        if (!only) {
            (void)err_field(&e, ERR_BAD_REQUEST, "repository_label",
                            "the configuration has no repository with this label");
            call_error(c, &e);
            return false;
        }
        o->repository = only->location; /* every version understands it */
    }
    enum borgmatic_verb verb = a->dry_run ? BORGMATIC_CREATE_DRY_RUN : BORGMATIC_CREATE;
    if (borgmatic_argv(&c->req->arena, &a->tools, verb, a->file, o, &e))
        return true;
    call_error(c, &e);
    return false;
}

/* Another backup of ours that needs the stack down is an AIO job like the others. */
static void refuse(struct call *c, struct err *e, const char *other)
{
    const struct job *aio = jobs_holder(c->app->jobs, AIO_KEY);
    if (e->code == ERR_JOB_RUNNING && aio && strcmp(job_id(aio), other) == 0)
        (void)err_set(e, ERR_AIO_BUSY, "job %s works with Nextcloud AIO", other);
    call_error_job(c, e, *other ? other : NULL);
}

static void create_job(struct asked *a, struct resolved *config)
{
    struct call *c = a->c;
    struct app *app = c->app;
    const struct config *set = app->config;
    struct borgmatic_options options;
    options_of(c, config, a->dry_run, &options);
    if (!options_fit(a, config, &options))
        return;
    struct create_spec create = {.loop = app->loop,
                                 .store = app->store,
                                 .tools = &a->tools,
                                 .config = config,
                                 .label = call_str(c, "repository", ""),
                                 .options = &options,
                                 .dry_run = a->dry_run,
                                 .progress_lines = call_bool(c, "progress", true),
                                 .borg_passphrase = call_secret(c, "borg_passphrase"),
                                 .ssh_passphrase = call_secret(c, "ssh_passphrase"),
                                 .masked = {set->api_token, set->api_read_token,
                                            set->api_admin_token, set->api_action_token},
                                 .env = app->child_env,
                                 .path = app->child_path,
                                 .tz = app->config->tz,
                                 .state_dir = app->config->state_dir};
    struct buf params;
    buf_init(&params, LIMIT_RECORD);
    call_params(c, &params);
    char *private = create_private_json(&create);
    struct job_spec spec = {.kind = a->dry_run ? "create-dry-run" : "create",
                            .label = create.label,
                            .queue = call_bool(c, "queue", false),
                            .role = role_name(c->role),
                            .address = c->req->peer,
                            .params_json = buf_str(&params),
                            .private_json = private,
                            .deadline_s = (unsigned)call_int(c, "timeout", 0),
                            .idem_key = c->idempotency_key,
                            .idem_fingerprint = call_fingerprint(c),
                            .ops = &create_ops,
                            .work = create_work_new(&create)};
    for (size_t i = 0; i < config->count; i++)
        if (!options.repository || strcmp(options.repository, config->repos[i].location) == 0)
            spec.keys[spec.key_count++] = config->repos[i].normal;
    struct err e = {0};
    char other[128];
    if (!spec.work || !backup_stop_wrap(&a->stop, &spec)) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
        call_error(c, &e);
    } else if (!jobs_create(app->jobs, &spec, on_created, a, other, sizeof other, &e)) {
        refuse(c, &e, other);
    }
    mem_free(private);
    buf_done(&params);
}

/* ---- what is asked for ---- */

static void on_resolved(void *arg, struct resolved *config, const struct err *e)
{
    struct asked *a = arg;
    if (!config) {
        call_error(a->c, e);
        return;
    }
    create_job(a, config);
    resolved_unref(config);
}

static void ask_meaning(void *arg)
{
    struct asked *a = arg;
    resolve_config(a->c->app->resolve, &a->tools, a->file, on_resolved, a);
}

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct asked *a = arg;
    struct err e;
    if (tools->problem[0]) {
        (void)err_set(&e, ERR_UNAVAILABLE, "%s", tools->problem);
        call_error(a->c, &e);
        return;
    }
    a->tools = *tools;
    if (a->dry_run)
        ask_meaning(a);
    else
        backup_stop_look(&a->stop, a->c, ask_meaning, a);
}

static bool secrets_fit(struct asked *a)
{
    struct call *c = a->c;
    const struct secret *borg = call_secret(c, "borg_passphrase");
    const struct secret *ssh = call_secret(c, "ssh_passphrase");
    a->short_passphrase = borg && secret_len(borg) < SECRET_MIN;
    if (!borg || !ssh || !secret_equal(borg, ssh))
        return true;
    struct err e;
    (void)err_field(&e, ERR_INVALID_SECRETS, "ssh_passphrase",
                    "borg_passphrase and ssh_passphrase must be different");
    call_error(c, &e);
    return false;
}

static void ask(struct call *c, bool dry_run)
{
    struct err e = {0};
    struct asked *a = call_alloc(c, sizeof *a);
    if (!a)
        return;
    *a = (struct asked){.c = c, .dry_run = dry_run};
    if (!secrets_fit(a))
        return;
    if (!resolve_find(c->app->config->config_dir, call_str(c, "repository", ""), a->file,
                      sizeof a->file, &e)) {
        call_error(c, &e);
        return;
    }
    probes_tools(c->app->probes, on_tools, a);
}

static void create_now(struct call *c)
{
    ask(c, call_bool(c, "dry_run", false));
}

static void dry_run_now(struct call *c)
{
    ask(c, true);
}

void backup_create(struct call *c)
{
    call_idempotent(c, create_now);
}

void backup_create_dry_run(struct call *c)
{
    call_idempotent(c, dry_run_now);
}
