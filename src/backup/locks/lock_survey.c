#include "backup/locks/lock_survey.h"

#include "backup/locks/lock_probe.h"
#include "backup/locks/lock_survey_internal.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void go_on(struct lock_survey *s);
static void ask_next(struct survey_item *it);

/* ---- life ---- */

void survey_unref(struct lock_survey *s)
{
    if (--s->refs > 0)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct survey_config *c = &s->slots[i].item->c;
        resolved_unref(c->config);
        for (size_t k = 0; k < LIMIT_REPOS; k++)
            mem_free(c->locks[k]);
        mem_free(c->file);
        mem_free(s->slots[i].item);
    }
    mem_free(s->slots);
    mem_free(s->config_dir);
    mem_free(s->repository);
    mem_free(s->role);
    mem_free(s->address);
    secret_free(s->borg_passphrase);
    secret_free(s->ssh_passphrase);
    mem_free(s);
}

bool survey_add(struct lock_survey *s, const char *label, const char *file)
{
    struct survey_slot *more = mem_realloc(s->slots, (s->count + 1) * sizeof *more);
    if (!more)
        return false;
    s->slots = more;
    struct survey_item *it = mem_zalloc(sizeof *it);
    if (!it)
        return false;
    it->s = s;
    it->c.file = mem_strdup(file);
    (void)snprintf(it->c.label, sizeof it->c.label, "%s", label);
    if (!it->c.file) {
        mem_free(it);
        return false;
    }
    s->slots[s->count++].item = it;
    return true;
}

bool survey_wants(const struct lock_survey *s, const struct resolved_repo *repo)
{
    return !s->repository || strcmp(resolved_repo_name(repo), s->repository) == 0 ||
           strcmp(repo->location, s->repository) == 0;
}

/* Nothing more is waited for. */
static void give_up(struct lock_survey *s)
{
    s->over = true;
    for (size_t i = 0; i < s->count; i++) {
        struct survey_item *it = s->slots[i].item;
        resolve_cancel(s->resolve, it);
        if (it->job)
            job_unwatch(it->job, it);
        it->job = NULL;
    }
}

static struct lock_state *state_of(struct survey_item *it, size_t i)
{
    if (!it->c.locks[i])
        it->c.locks[i] = mem_zalloc(sizeof *it->c.locks[i]);
    return it->c.locks[i];
}

static void not_known(struct survey_item *it, size_t i, const char *why)
{
    struct lock_state *s = state_of(it, i);
    if (!s)
        return;
    *s = (struct lock_state){0};
    (void)snprintf(s->problem, sizeof s->problem, "%s", why);
}

static void mark_late(struct survey_item *it)
{
    static const char late[] = "there was no answer in time";
    const struct lock_survey *s = it->s;
    if (it->done)
        return;
    if (!it->c.config && it->c.problem.code == ERR_NONE)
        (void)err_set(&it->c.problem, ERR_TIMEOUT, "%s", late);
    for (size_t i = 0; it->c.config && i < it->c.config->count; i++)
        if (!it->c.locks[i] && (it->c.config->repos[i].remote ? s->probe : s->look))
            not_known(it, i, late);
}

/* All is known, or the time is up. */
static void on_timer(uv_timer_t *t)
{
    struct lock_survey *s = t->data;
    give_up(s);
    for (size_t i = 0; i < s->count; i++)
        mark_late(s->slots[i].item);
    s->done(s->arg, s);
}

static void on_closed(uv_handle_t *h)
{
    survey_unref(h->data);
}

void lock_survey_free(struct lock_survey *s)
{
    if (!s)
        return;
    give_up(s);
    uv_close((uv_handle_t *)&s->timer, on_closed);
    survey_unref(s);
}

/* ---- one configuration ---- */

static void finish(struct survey_item *it)
{
    it->done = true;
    it->s->finished++;
    go_on(it->s);
}

static void on_probe(void *arg, struct job *j)
{
    struct survey_item *it = arg;
    if (!job_state_final(job_state(j)))
        return;
    it->job = NULL;
    struct lock_state *found = state_of(it, it->next);
    if (found)
        lock_probe_of_job(j, found);
    it->next++;
    ask_next(it);
}

static bool follow(struct survey_item *it, struct job *j)
{
    if (!job_watch(j, on_probe, it))
        return false;
    it->job = j;
    return true;
}

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct survey_item *it = arg;
    struct lock_survey *s = it->s;
    if (!s->over && !(j && follow(it, j))) {
        not_known(it, it->next, j ? "too many wait for the same answer" : e->msg);
        it->next++;
        ask_next(it);
    }
    survey_unref(s);
}

/* A job of ours that writes is at work there: locked, as far as anybody who asks us is concerned.
 */
static void refused(struct survey_item *it, const struct err *e)
{
    struct lock_state *s = state_of(it, it->next);
    if (s && e->code == ERR_JOB_RUNNING)
        *s = (struct lock_state){.word = LOCK_LOCKED, .method = "job"};
    else
        not_known(it, it->next, e->msg);
}

static bool ask(struct survey_item *it, const struct resolved_repo *repo, struct err *e)
{
    struct lock_survey *s = it->s;
    char other[128] = "", shown[1024];
    struct buf params;
    struct jsonw w;
    resolve_shown(repo->location, shown, sizeof shown);
    buf_init(&params, LIMIT_RECORD);
    jsonw_init(&w, &params);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "repository", shown);
    if (s->borg_passphrase || s->ssh_passphrase) /* not the same question as without */
        jsonw_kbool(&w, "passphrase", true);
    jsonw_end_object(&w);
    struct job *same = jobs_find_equal(s->jobs, LOCK_PROBE_KIND, it->c.label, buf_str(&params));
    if (same && follow(it, same)) {
        buf_done(&params);
        return true;
    }
    const struct operation_spec op = {.context = &s->context,
                                      .config = it->c.config,
                                      .repository = repo->location,
                                      .borg_passphrase = s->borg_passphrase,
                                      .ssh_passphrase = s->ssh_passphrase,
                                      .done_word = "read",
                                      .done_sentence = "the repository could be opened",
                                      .plan = &lock_probe_plan};
    AUTO_FREE char *private = operation_private(&op, NULL);
    struct job_spec spec = {.kind = LOCK_PROBE_KIND,
                            .label = it->c.label,
                            .label_in_id = true,
                            .reading = true,
                            .shares = true,
                            .role = s->role,
                            .address = s->address,
                            .params_json = buf_str(&params),
                            .private_json = private,
                            .deadline_s = LOCK_PROBE_S,
                            .ops = &operation_ops,
                            .work = operation_new(&op)};
    bool ok = spec.work || err_set(e, ERR_NO_MEMORY, "no memory to ask");
    if (ok) {
        operation_keys(spec.work, &spec);
        ok = jobs_create(s->jobs, &spec, on_created, it, other, sizeof other, e);
    }
    if (ok)
        s->refs++;
    buf_done(&params);
    return ok;
}

static void ask_next(struct survey_item *it)
{
    const struct lock_survey *s = it->s;
    for (; it->next < it->c.config->count; it->next++) {
        const struct resolved_repo *repo = &it->c.config->repos[it->next];
        struct err e = {0};
        if (!repo->remote || !s->probe || !survey_wants(s, repo))
            continue;
        if (ask(it, repo, &e))
            return;
        refused(it, &e);
    }
    finish(it);
}

static void on_resolved(void *arg, struct resolved *config, const struct err *e)
{
    struct survey_item *it = arg;
    it->c.config = config;
    if (!config) {
        it->c.problem = *e;
        finish(it);
        return;
    }
    if (!it->s->look || !survey_look(it, ask_next))
        ask_next(it);
}

/* ---- all of them ---- */

static void go_on(struct lock_survey *s)
{
    while (!s->over && s->begun < s->count && s->begun - s->finished < LOCK_SURVEYED) {
        struct survey_item *it = s->slots[s->begun++].item;
        resolve_config(s->resolve, &s->tools, it->c.file, on_resolved, it);
    }
    if (!s->over && s->finished == s->count)
        (void)uv_timer_start(&s->timer, on_timer, 0, 0);
}

static bool copy(struct lock_survey *s, const struct lock_survey_spec *spec)
{
    s->context = *spec->context;
    s->tools = *spec->context->tools;
    s->context.tools = &s->tools;
    s->resolve = spec->resolve;
    s->jobs = spec->jobs;
    s->look = spec->look;
    s->probe = spec->probe;
    s->done = spec->done;
    s->arg = spec->arg;
    s->config_dir = mem_strdup(spec->config_dir);
    s->repository = mem_strdup(spec->repository);
    s->role = mem_strdup(spec->role);
    s->address = mem_strdup(spec->address);
    s->borg_passphrase = secret_dup(spec->borg_passphrase);
    s->ssh_passphrase = secret_dup(spec->ssh_passphrase);
    return s->config_dir && (s->repository || !spec->repository) && (s->role || !spec->role) &&
           (s->address || !spec->address) && (s->borg_passphrase || !spec->borg_passphrase) &&
           (s->ssh_passphrase || !spec->ssh_passphrase);
}

static bool begin(struct lock_survey *s, const struct lock_survey_spec *spec, struct err *e)
{
    char file[PATH_MAX];
    if (!copy(s, spec))
        return err_set(e, ERR_NO_MEMORY, "no memory for this request");
    if (spec->label && !resolve_find(s->config_dir, spec->label, file, sizeof file, e))
        return false;
    if (spec->label ? !survey_add(s, spec->label, file) : !survey_list(s, go_on))
        return err_set(e, ERR_NO_MEMORY, "no memory for this request");
    return true;
}

struct lock_survey *lock_survey_start(const struct lock_survey_spec *spec, struct err *e)
{
    struct lock_survey *s = mem_zalloc(sizeof *s);
    if (!s) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for this request");
        return NULL;
    }
    s->refs = 1;
    if (!begin(s, spec, e)) {
        survey_unref(s);
        return NULL;
    }
    s->refs++; /* the timer */
    (void)uv_timer_init(spec->context->loop, &s->timer);
    s->timer.data = s;
    (void)uv_timer_start(&s->timer, on_timer,
                         spec->deadline_ms ? spec->deadline_ms : LOCK_SURVEY_MS, 0);
    if (spec->label)
        go_on(s);
    return s;
}

size_t lock_survey_count(const struct lock_survey *s)
{
    return s->count;
}

const struct survey_config *lock_survey_config(const struct lock_survey *s, size_t i)
{
    return &s->slots[i].item->c;
}

bool lock_survey_cut(const struct lock_survey *s)
{
    return s->cut;
}

const char *lock_survey_problem(const struct lock_survey *s)
{
    return s->problem;
}
