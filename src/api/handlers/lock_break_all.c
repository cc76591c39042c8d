/* POST /borgmatic-locks/emergency-break-all: one repository after the other, each by the rules of a
 * single break; what could not be broken is in the list with the reason, and makes the answer a
 * failure. */
#include "api/handlers/locks.h"

#include "api/config_call.h"
#include "api/engine_call.h"
#include "api/lock_nextcloud.h"
#include "api/lock_show.h"
#include "api/probes.h"
#include "api/survey_call.h"
#include "backup/locks/lock_break.h"
#include "base/mem.h"
#include "jobs/job.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

struct target {
    const struct survey_config *config;
    const struct resolved_repo *repo; /* NULL: the configuration could not be understood */
    enum lock_ruling ruling;
    enum err_code error;
    bool ran, broken;
    int code;
    char *message, *errors, *job;
};

struct break_all {
    struct call *c;
    struct lock_survey *survey;
    struct borgmatic_tools tools;
    struct target *targets;
    size_t count, at;
    struct job *job;
    struct lock_nextcloud nextcloud;
};

static void next(struct break_all *a);

static void break_all_free(struct break_all *a)
{
    for (size_t i = 0; i < a->count; i++) {
        mem_free(a->targets[i].message);
        mem_free(a->targets[i].errors);
        mem_free(a->targets[i].job);
    }
    mem_free(a->targets);
    lock_survey_free(a->survey);
    mem_free(a);
}

/* ---- the answer ---- */

static void show(struct jsonw *w, const struct target *t)
{
    char location[1024];
    const char *slash = strrchr(t->config->file, '/');
    jsonw_begin_object(w);
    jsonw_kstr(w, "file", slash ? slash + 1 : t->config->file);
    jsonw_kstr(w, "label", t->config->label);
    if (t->repo)
        resolve_shown(t->repo->location, location, sizeof location);
    jsonw_kstr(w, "repository", t->repo ? location : NULL);
    jsonw_kbool(w, "broken", t->broken);
    jsonw_key(w, "rc");
    if (t->ran || t->error == ERR_NONE)
        jsonw_int(w, t->code);
    else
        jsonw_null(w);
    jsonw_kstr(w, "stderr", t->errors ? t->errors : "");
    jsonw_kstr(w, "error", t->error == ERR_NONE ? NULL : err_word(t->error));
    jsonw_kstr(w, "message", t->message);
    jsonw_kstr(w, "job_id", t->job);
    jsonw_end_object(w);
}

/* What the list as a whole is worth: a failed program counts more than a refusal. */
static bool whole(const struct break_all *a, struct err *e)
{
    size_t left = 0;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; i < a->count; i++) {
        const struct target *t = &a->targets[i];
        left += t->error != ERR_NONE;
        if (t->error != ERR_NONE && (code == ERR_NONE || t->ran))
            code = t->ran ? ERR_COMMAND_FAILED : t->error;
    }
    return left == 0 ||
           err_set(e, code, "%zu of %zu repositories may still be locked; the list says why", left,
                   a->count);
}

static void answer(struct break_all *a)
{
    struct call *c = a->c;
    struct err e = {0};
    struct buf b;
    struct jsonw w;
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    bool ok = whole(a, &e);
    if (ok)
        call_begin(c, &b, &w, true);
    else
        call_begin_error(c, &b, &w, &e);
    jsonw_key(&w, "locks_broken");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < a->count; i++)
        show(&w, &a->targets[i]);
    jsonw_end_array(&w);
    jsonw_key(&w, "nextcloud_restart");
    lock_nextcloud_write(&a->nextcloud, &w);
    jsonw_kseconds(&w, "timestamp", (double)now.tv_sec);
    if (lock_survey_cut(a->survey))
        jsonw_kbool(&w, "truncated", true);
    break_all_free(a);
    call_reply(c, ok ? 200 : err_status(e.code), &b, &w);
}

/* ---- one repository ---- */

static void failed(struct target *t, enum err_code code, const char *message)
{
    t->error = code;
    mem_free(t->message);
    t->message = mem_strdup(message);
}

static void on_change(void *arg, struct job *j)
{
    struct break_all *a = arg;
    struct target *t = &a->targets[a->at];
    if (!job_state_final(job_state(j)))
        return;
    bool well = job_state(j) == JOB_SUCCEEDED || job_state(j) == JOB_WARNING;
    enum err_code code = job_api_error(j);
    failed(t, well ? ERR_NONE : code == ERR_NONE ? ERR_COMMAND_FAILED : code, job_sentence(j));
    t->ran = code != ERR_LOCK_IN_USE && code != ERR_LOCK_HOLDER_UNKNOWN;
    t->broken = lock_break_broke(j);
    t->code = job_exit_code(j) >= 0 ? job_exit_code(j) : well ? 0 : 1;
    t->errors = mem_strdup(job_stderr_tail(j));
    a->at++;
    next(a);
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct break_all *a = arg;
    struct target *t = &a->targets[a->at];
    t->job = j ? mem_strdup(job_id(j)) : NULL;
    if (j && job_watch(j, on_change, a))
        return;
    failed(t, j ? ERR_NO_MEMORY : e->code, j ? "the job cannot be followed" : e->msg);
    a->at++;
    next(a);
}

static bool start(struct break_all *a, const struct target *t, struct err *e)
{
    struct call *c = a->c;
    char other[128] = "";
    const struct job *busy = lock_job(c->app, t->repo);
    struct backup_context context;
    if (busy)
        return err_set(e, ERR_JOB_RUNNING,
                       "job %s works on this repository; its lock is never broken", job_id(busy));
    app_context(c->app, &a->tools, &context);
    const struct operation_spec op = {.context = &context,
                                      .config = t->config->config,
                                      .repository = t->repo->location,
                                      .borg_passphrase = call_secret(c, "borg_passphrase"),
                                      .ssh_passphrase = call_secret(c, "ssh_passphrase"),
                                      .done_word = "lock_broken",
                                      .done_sentence = "the lock was taken away",
                                      .plan = &lock_break_plan,
                                      .data = lock_break_new(call_bool(c, "force", false))};
    AUTO_FREE char *private = operation_private(&op, NULL);
    struct buf params;
    buf_init(&params, LIMIT_RECORD);
    call_params(c, &params);
    struct job_spec spec = {.kind = LOCK_BREAK_KIND,
                            .label = t->config->label,
                            .label_in_id = true,
                            .in_hold = true,
                            .role = role_name(c->role),
                            .address = c->req->peer,
                            .params_json = buf_str(&params),
                            .private_json = private,
                            .deadline_s = LOCK_BREAK_S,
                            .ops = &operation_ops};
    spec.work = op.data ? operation_new(&op) : NULL;
    bool ok = spec.work || err_set(e, ERR_NO_MEMORY, "no memory for a new job");
    if (ok) {
        operation_keys(spec.work, &spec);
        ok = jobs_create(c->app->jobs, &spec, on_created, a, other, sizeof other, e);
    }
    buf_done(&params);
    return ok;
}

static void next(struct break_all *a)
{
    for (; a->at < a->count; a->at++) {
        struct target *t = &a->targets[a->at];
        struct err e = {0};
        if (t->ruling != LOCK_MAY_BREAK)
            continue;
        if (start(a, t, &e))
            return;
        failed(t, e.code, e.msg);
    }
    answer(a);
}

/* ---- before ---- */

static void on_tools(void *arg, const struct borgmatic_tools *tools)
{
    struct break_all *a = arg;
    a->tools = *tools;
    next(a);
}

static void seen(struct call *c, void *data)
{
    struct break_all *a = c->state;
    probes_tools(c->app->probes, on_tools, a);
}

static void judge(struct break_all *a, const struct survey_config *config, size_t i)
{
    static const char *const words[] = {
        [LOCK_NOTHING_TO_BREAK] = "there is no lock",
        [LOCK_IN_USE] = "a living process holds the lock",
        [LOCK_UNPROVEN] = "it is not proven that the lock's holder is dead",
    };
    struct target *t = &a->targets[a->count++];
    bool force = call_bool(a->c, "force", false);
    t->config = config;
    if (!config->config) {
        t->ruling = LOCK_UNPROVEN;
        failed(t, config->problem.code, config->problem.msg);
        return;
    }
    t->repo = &config->config->repos[i];
    t->ruling = lock_rule_of(config, i, force);
    const struct job *busy = lock_job(a->c->app, t->repo);
    const struct lock_state *s = config->locks[i];
    if (t->ruling != LOCK_NOTHING_TO_BREAK && busy) {
        t->ruling = LOCK_IN_USE;
        t->job = mem_strdup(job_id(busy));
        failed(t, ERR_JOB_RUNNING, "a job of ours works on this repository");
    } else if (t->ruling != LOCK_MAY_BREAK) {
        failed(t, lock_ruling_error(t->ruling), s && s->problem[0] ? s->problem : words[t->ruling]);
    }
}

static size_t targets_of(const struct survey_config *c)
{
    return c->config ? c->config->count : 1;
}

/* Every deed is in the audit log before the first is done; false: answered. */
static bool audited(struct break_all *a)
{
    struct call *c = a->c;
    bool force = call_bool(c, "force", false);
    for (size_t i = 0; i < a->count; i++)
        if (a->targets[i].ruling == LOCK_MAY_BREAK &&
            !call_audit(c, force ? "break_lock_forced" : "break_lock", a->targets[i].config->label,
                        call_str(c, "reason", NULL), NULL, "allowed"))
            return false;
    return true;
}

static void looked(struct call *c, struct lock_survey *s)
{
    struct break_all *a = mem_zalloc(sizeof *a);
    size_t all = 0;
    for (size_t i = 0; i < lock_survey_count(s); i++)
        all += targets_of(lock_survey_config(s, i));
    struct target *targets = mem_zalloc((all + 1) * sizeof *targets);
    if (!a || !targets) {
        struct err e;
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
        mem_free(a);
        mem_free(targets);
        lock_survey_free(s);
        call_error(c, &e);
        return;
    }
    *a = (struct break_all){.c = c, .survey = s, .targets = targets};
    c->state = a;
    for (size_t i = 0; i < lock_survey_count(s); i++)
        for (size_t k = 0; k < targets_of(lock_survey_config(s, i)); k++)
            judge(a, lock_survey_config(s, i), k);
    bool may = audited(a); /* else it is answered, and nothing is done */
    if (may && !lock_nextcloud_begin(c->app, &a->nextcloud)) {
        seen(c, a);
        return;
    }
    if (!may || !call_in_task(c, lock_nextcloud_look, seen, &a->nextcloud))
        break_all_free(a);
}

void locks_break_all(struct call *c)
{
    if (lock_force_explained(c))
        survey_call(c, &(struct survey_question){.look = true, .probe = true, .known = looked});
}
