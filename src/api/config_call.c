#include "api/config_call.h"

#include "api/idempotency.h"
#include "api/probes.h"
#include "api/route.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

void app_context(const struct app *app, const struct borgmatic_tools *tools,
                 struct backup_context *out)
{
    const struct config *set = app->config;
    *out = (struct backup_context){
        .loop = app->loop,
        .tools = tools,
        .env = app->child_env,
        .path = app->child_path,
        .tz = set->tz,
        .state_dir = set->state_dir,
        .masked = {set->api_token, set->api_read_token, set->api_admin_token,
                   set->api_action_token},
    };
}

bool call_confirmed(struct call *c, const char *wanted)
{
    const char *given = call_str(c, "confirm", NULL);
    if (given && strcmp(given, wanted) == 0)
        return true;
    struct err e;
    (void)err_field(&e, ERR_CONFIRMATION_NEEDED, "confirm",
                    "this cannot be undone: send \"confirm\": \"%s\" to go on", wanted);
    call_error(c, &e);
    return false;
}

/* ---- the way to what a configuration means ---- */

struct asked {
    struct config_call cc;
    void (*go)(struct config_call *cc);
};

static bool pick_repository(struct config_call *cc)
{
    const char *label = call_str(cc->c, "repository_label", NULL);
    cc->only = label ? resolved_find(cc->config, label) : NULL;
    if (!label || cc->only)
        return true;
    struct err e;
    (void)err_field(&e, ERR_BAD_REQUEST, "repository_label",
                    "the configuration has no repository with this label");
    call_error(cc->c, &e);
    return false;
}

static void on_resolved(void *arg, struct resolved *config, const struct err *e)
{
    struct asked *a = arg;
    if (!config) {
        call_error(a->cc.c, e);
        return;
    }
    a->cc.config = config;
    if (pick_repository(&a->cc))
        a->go(&a->cc);
    resolved_unref(config);
}

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct asked *a = arg;
    struct call *c = a->cc.c;
    struct err e;
    if (tools->problem[0]) {
        (void)err_set(&e, ERR_UNAVAILABLE, "%s", tools->problem);
        call_error(c, &e);
        return;
    }
    a->cc.tools = *tools;
    app_context(c->app, &a->cc.tools, &a->cc.context);
    resolve_config(c->app->resolve, tools, a->cc.file, on_resolved, a);
}

void config_call(struct call *c, const char *label, void (*go)(struct config_call *cc))
{
    struct err e = {0};
    struct asked *a = call_alloc(c, sizeof *a);
    if (!a)
        return;
    *a = (struct asked){.cc = {.c = c, .label = label}, .go = go};
    if (resolve_find(c->app->config->config_dir, label, a->cc.file, sizeof a->cc.file, &e))
        probes_tools(c->app->probes, on_tools, a);
    else
        call_error(c, &e);
}

/* ---- the job ---- */

/* How the call is answered once its job is made; in the request's arena. */
struct making {
    struct call *c;
    bool started, ready, document;
};

static void answer_ready(struct call *c, const struct job *j)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kint(&w, "returncode", 0);
    jsonw_kstr(&w, "stdout", "");
    jsonw_kstr(&w, "stderr", "");
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    if (c->members)
        c->members(c, &w, j);
    call_job_links(c, &w, job_id(j));
    call_reply(c, 200, &b, &w);
}

/* It runs (its pid is known) or is ready, or it was over before that. */
static void on_change(void *arg, struct job *j)
{
    struct making *m = arg;
    bool there = m->ready ? job_ready(j) : job_pid(j) != 0;
    if (!there && !job_state_final(job_state(j)))
        return;
    job_unwatch(j, m);
    if (m->ready && there && !job_state_final(job_state(j))) {
        answer_ready(m->c, j);
        return;
    }
    if ((!m->ready && job_pid(j)) || job_api_error(j) == ERR_NONE) {
        call_job_started(m->c, 200, j);
        return;
    }
    struct err e;
    (void)err_set(&e, job_api_error(j), "%s", job_sentence(j));
    call_error_job(m->c, &e, job_id(j));
}

static void answer(struct making *m, struct job *j)
{
    struct call *c = m->c;
    bool now = m->ready || (m->started && c->prefer_wait_s < 0);
    if (c->prefer_async && !m->document)
        call_job_started(c, 202, j);
    else if (!now)
        call_await_job(c, j, m->document ? 0 : c->prefer_wait_s);
    else if ((jobs_must_wait(c->app->jobs, j) && !m->ready) || !job_watch(j, on_change, m))
        call_job_started(c, m->ready ? 202 : 200, j);
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct making *m = arg;
    if (j)
        answer(m, j);
    else
        call_error(m->c, e);
}

static unsigned deadline_of(const struct call *c, const struct config_job *j)
{
    if (call_has(c, "timeout"))
        return (unsigned)call_int(c, "timeout", 0);
    if (call_has(c, "process_timeout"))
        return (unsigned)call_int(c, "process_timeout", 0);
    return j->deadline_s;
}

static void make(struct call *c, const char *label, const struct operation_spec *op,
                 const struct config_job *j, struct job_spec *spec)
{
    struct err e = {0};
    char other[128] = "";
    struct making *m = arena_alloc(&c->req->arena, sizeof *m);
    struct buf params;
    buf_init(&params, LIMIT_RECORD);
    call_params(c, &params);
    struct job *same = j->equal_joins && !c->secret_count
                           ? jobs_find_equal(c->app->jobs, j->kind, label, buf_str(&params))
                           : NULL;
    AUTO_FREE char *private = operation_private(op, j->private_members);
    spec->kind = j->kind;
    spec->label = label;
    spec->label_in_id = label != NULL;
    spec->reading = j->reading;
    spec->shares = j->reading || j->yields || j->shares;
    spec->yields = j->yields;
    spec->unslotted = j->unslotted;
    spec->in_hold = j->in_hold;
    spec->queue = j->queues || call_bool(c, "queue", false);
    spec->role = role_name(c->role);
    spec->address = c->req->peer;
    spec->params_json = buf_str(&params);
    spec->private_json = private;
    spec->deadline_s = deadline_of(c, j);
    spec->idem_key = c->idempotency_key;
    spec->idem_fingerprint = call_fingerprint(c);
    spec->ops = &operation_ops;
    spec->work = operation_new(op); /* takes the plan's data in any case */
    if (m)
        *m = (struct making){
            .c = c, .started = j->started, .ready = j->ready, .document = j->document};
    if (j->key)
        spec->keys[spec->key_count++] = j->key;
    if (spec->work)
        operation_keys(spec->work, spec);
    if (!m || !spec->work) {
        if (spec->work)
            operation_ops.free(spec->work);
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for a new job");
        call_error(c, &e);
    } else if (same) {
        operation_ops.free(spec->work);
        answer(m, same);
    } else if (!jobs_create(c->app->jobs, spec, on_created, m, other, sizeof other, &e)) {
        call_error_job(c, &e, other[0] ? other : NULL);
    }
    buf_done(&params);
}

void config_call_job(struct config_call *cc, const struct config_job *j)
{
    struct call *c = cc->c;
    const struct operation_spec op = {.context = &cc->context,
                                      .config = cc->config,
                                      .repository = cc->only ? cc->only->location : NULL,
                                      .borg_passphrase = call_secret(c, "borg_passphrase"),
                                      .ssh_passphrase = call_secret(c, "ssh_passphrase"),
                                      .more_masked = j->more_masked,
                                      .progress_lines = call_bool(c, "progress", true),
                                      .done_word = j->done_word,
                                      .done_sentence = j->done_sentence,
                                      .plan = j->plan,
                                      .data = j->data};
    struct job_spec spec = {0};
    make(c, cc->label, &op, j, &spec);
}

void plain_call_job(struct call *c, const struct borgmatic_tools *tools, const char *label,
                    const char *const *keys, const struct config_job *j)
{
    struct backup_context context;
    app_context(c->app, tools, &context);
    const struct operation_spec op = {.context = &context,
                                      .ssh_passphrase = call_secret(c, "ssh_passphrase"),
                                      .more_masked = j->more_masked,
                                      .done_word = j->done_word,
                                      .done_sentence = j->done_sentence,
                                      .plan = j->plan,
                                      .data = j->data};
    struct job_spec spec = {0};
    for (; keys && *keys && spec.key_count < JOB_KEYS_MAX; keys++)
        spec.keys[spec.key_count++] = *keys;
    make(c, label, &op, j, &spec);
}
