/* POST /borgmatic-locks/break/{label}. First it is looked who holds the locks, and only where the
 * rules allow it a job is made, which looks again before it breaks anything. */
#include "api/handlers/locks.h"

#include "api/config_call.h"
#include "api/idempotency.h"
#include "api/lock_show.h"
#include "api/survey_call.h"
#include "backup/locks/lock_break.h"
#include "base/json.h"

#include <string.h>

bool lock_force_explained(struct call *c)
{
    struct err e;
    if (!call_bool(c, "force", false) || call_has(c, "reason"))
        return true;
    (void)err_field(
        &e, ERR_BAD_REQUEST, "reason",
        "is needed with force: why the lock is broken although its holder may be alive");
    call_error(c, &e);
    return false;
}

/* ---- the answer when it was done ---- */

static void add_broken(struct call *c, struct jsonw *w, const struct job *j)
{
    const char *text = job_result(j);
    json_t *result = text ? json_parse(text, strlen(text), NULL) : NULL;
    struct buf list;
    buf_init(&list, LIMIT_RECORD);
    jsonw_kbool(w, "broken", lock_break_broke(j));
    jsonw_kstr(w, "message", job_sentence(j));
    if (result && json_write(json_object_get(result, "repositories"), &list))
        jsonw_kraw(w, "repositories", buf_str(&list));
    buf_done(&list);
    json_decref(result);
}

/* No job of ours may be at work; asked in the same turn in which the job is made. */
static bool idle(struct config_call *cc)
{
    struct err e;
    for (size_t i = 0; i < cc->config->count; i++) {
        const struct resolved_repo *r = &cc->config->repos[i];
        const struct job *j = cc->only && cc->only != r ? NULL : lock_job(cc->c->app, r);
        if (!j)
            continue;
        (void)err_set(&e, ERR_JOB_RUNNING,
                      "job %s works on this repository; its lock is never broken", job_id(j));
        call_error_job(cc->c, &e, job_id(j));
        return false;
    }
    return true;
}

static void go(struct config_call *cc)
{
    struct call *c = cc->c;
    bool force = call_bool(c, "force", false);
    if (!idle(cc) || !call_audit(c, force ? "break_lock_forced" : "break_lock", cc->label,
                                 call_str(c, "reason", NULL), NULL, "allowed"))
        return;
    c->members = add_broken;
    config_call_job(cc, &(struct config_job){.kind = LOCK_BREAK_KIND,
                                             .in_hold = true,
                                             .deadline_s = LOCK_BREAK_S,
                                             .done_word = "lock_broken",
                                             .done_sentence = "the lock was taken away",
                                             .plan = &lock_break_plan,
                                             .data = lock_break_new(force)});
}

/* ---- what was found before ---- */

static void refuse(struct call *c, struct lock_survey *s, enum err_code code, const char *job)
{
    const struct survey_config *one = lock_survey_config(s, 0);
    const char *repository = call_str(c, "repository_label", NULL);
    const char *problem = lock_problem(one, repository);
    struct err e;
    struct buf b;
    struct jsonw w;
    if (code == ERR_JOB_RUNNING)
        (void)err_set(&e, code, "job %s works on this repository; its lock is never broken", job);
    else if (code == ERR_LOCK_IN_USE)
        (void)err_set(&e, code,
                      "a living process holds the lock: end it, or send force and a "
                      "reason");
    else
        (void)err_set(&e, code,
                      "it is not proven that the lock's holder is dead%s%s: make sure, then send "
                      "force and a reason",
                      problem ? ": " : "", problem ? problem : "");
    call_begin_error(c, &b, &w, &e);
    lock_show_repositories(c->app, &w, one, repository);
    if (job)
        jsonw_kstr(&w, "job_id", job);
    lock_survey_free(s);
    call_reply(c, err_status(code), &b, &w);
}

static void nothing_there(struct call *c, struct lock_survey *s)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kbool(&w, "broken", false);
    jsonw_kstr(&w, "message", "there is no lock, so nothing was done");
    jsonw_kint(&w, "returncode", 0);
    jsonw_kstr(&w, "stdout", "");
    jsonw_kstr(&w, "stderr", "");
    lock_show_repositories(c->app, &w, lock_survey_config(s, 0),
                           call_str(c, "repository_label", NULL));
    lock_survey_free(s);
    call_reply(c, 200, &b, &w);
}

enum lock_ruling lock_rule_of(const struct survey_config *c, size_t repo, bool force)
{
    static const struct lock_state nothing;
    return lock_rule(c->locks[repo] ? c->locks[repo] : &nothing, force);
}

/* The strictest ruling of the repositories concerned, and the job of ours that works on one. */
static enum lock_ruling rule(struct call *c, const struct survey_config *one, const char **job)
{
    const char *repository = call_str(c, "repository_label", NULL);
    enum lock_ruling all = LOCK_NOTHING_TO_BREAK;
    for (size_t i = 0; i < one->config->count; i++) {
        const struct job *j = lock_job(c->app, &one->config->repos[i]);
        if (!lock_concerns(one, i, repository))
            continue;
        enum lock_ruling r = lock_rule_of(one, i, call_bool(c, "force", false));
        all = r > all ? r : all;
        *job = j && !*job ? job_id(j) : *job;
    }
    return all;
}

static void looked(struct call *c, struct lock_survey *s)
{
    const struct survey_config *one = lock_survey_config(s, 0);
    const char *job = NULL;
    if (!one->config) {
        struct err e = one->problem;
        lock_survey_free(s);
        call_error(c, &e);
        return;
    }
    if (!lock_repository_known(c, one, call_str(c, "repository_label", NULL))) {
        lock_survey_free(s);
        return;
    }
    enum lock_ruling r = rule(c, one, &job);
    if (job) {
        refuse(c, s, ERR_JOB_RUNNING, job);
    } else if (lock_ruling_error(r) != ERR_NONE) {
        refuse(c, s, lock_ruling_error(r), NULL);
    } else if (r == LOCK_NOTHING_TO_BREAK) {
        nothing_there(c, s);
    } else {
        lock_survey_free(s);
        config_call(c, call_str(c, "label", ""), go);
    }
}

static void break_now(struct call *c)
{
    survey_call(c, &(struct survey_question){.label = call_str(c, "label", ""),
                                             .repository = call_str(c, "repository_label", NULL),
                                             .look = true,
                                             .probe = true,
                                             .known = looked});
}

void locks_break(struct call *c)
{
    if (lock_force_explained(c))
        call_idempotent(c, break_now);
}
