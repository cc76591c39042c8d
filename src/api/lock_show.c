#include "api/lock_show.h"

#include "backup/locks/lock_probe.h"

#include <string.h>

enum lock_word lock_word_of(const struct survey_config *c, size_t repo)
{
    return c->locks[repo] ? c->locks[repo]->word : LOCK_NOT_KNOWN;
}

bool lock_concerns(const struct survey_config *c, size_t repo, const char *repository)
{
    const struct resolved_repo *r = &c->config->repos[repo];
    return !repository || strcmp(resolved_repo_name(r), repository) == 0 ||
           strcmp(r->location, repository) == 0;
}

enum lock_word lock_word_of_all(const struct survey_config *c, const char *repository)
{
    enum lock_word all = c->config && c->config->count ? LOCK_FREE : LOCK_NOT_KNOWN;
    for (size_t i = 0; c->config && i < c->config->count; i++) {
        enum lock_word one = lock_word_of(c, i);
        if (!lock_concerns(c, i, repository))
            continue;
        if (one == LOCK_LOCKED)
            return LOCK_LOCKED;
        if (one == LOCK_NOT_KNOWN)
            all = LOCK_NOT_KNOWN;
    }
    return all;
}

void lock_show_word(struct jsonw *w, const char *key, enum lock_word word)
{
    jsonw_key(w, key);
    if (word == LOCK_NOT_KNOWN)
        jsonw_null(w);
    else
        jsonw_bool(w, word == LOCK_LOCKED);
}

const char *lock_problem(const struct survey_config *c, const char *repository)
{
    if (!c->config)
        return c->problem.msg;
    for (size_t i = 0; i < c->config->count; i++)
        if (lock_concerns(c, i, repository) && c->locks[i] && c->locks[i]->problem[0])
            return c->locks[i]->problem;
    return NULL;
}

bool lock_repository_known(struct call *c, const struct survey_config *one, const char *repository)
{
    struct err e;
    if (!repository || !one->config)
        return true;
    for (size_t i = 0; i < one->config->count; i++)
        if (lock_concerns(one, i, repository))
            return true;
    (void)err_field(&e, ERR_BAD_REQUEST, "repository_label",
                    "the configuration has no repository with this label");
    call_error(c, &e);
    return false;
}

/* ---- our own jobs ---- */

struct search {
    const char *key;
    const struct job *found;
};

static void look_at(void *arg, struct job *j)
{
    struct search *s = arg;
    if (s->found || strcmp(job_kind(j), LOCK_PROBE_KIND) == 0)
        return;
    for (size_t i = 0; i < job_key_count(j); i++)
        if (strcmp(job_key(j, i), s->key) == 0)
            s->found = j;
}

const struct job *lock_job(struct app *app, const struct resolved_repo *repo)
{
    struct search s = {.key = repo->normal};
    jobs_each(app->jobs, look_at, &s);
    return s.found;
}

/* ---- showing ---- */

void lock_show_repository(struct app *app, struct jsonw *w, const struct survey_config *c,
                          size_t repo)
{
    static const struct lock_state nothing = {.problem = "it was not asked"};
    const struct resolved_repo *r = &c->config->repos[repo];
    const struct job *j = lock_job(app, r);
    char location[1024];
    resolve_shown(r->location, location, sizeof location);
    jsonw_kstr(w, "repository", location);
    jsonw_kstr(w, "label", resolved_repo_name(r));
    jsonw_kbool(w, "remote", r->remote);
    lock_show_word(w, "locked", lock_word_of(c, repo));
    lock_state_write(c->locks[repo] ? c->locks[repo] : &nothing, w);
    jsonw_kstr(w, "job_id", j ? job_id(j) : NULL);
}

void lock_show_repositories(struct app *app, struct jsonw *w, const struct survey_config *c,
                            const char *repository)
{
    jsonw_key(w, "repositories");
    jsonw_begin_array(w);
    for (size_t i = 0; c->config && i < c->config->count; i++) {
        if (!lock_concerns(c, i, repository))
            continue;
        jsonw_begin_object(w);
        lock_show_repository(app, w, c, i);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}
