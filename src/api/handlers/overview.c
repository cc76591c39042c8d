/* GET /repositories: from what borgmatic says the configurations mean (kept answers where there are
 * any), the locks on this machine's disk, and the records of our jobs. No borg runs. */
#include "api/handlers/overview.h"

#include "api/lock_show.h"
#include "api/overview.h"
#include "api/survey_call.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/store.h"
#include "limits.h"

#include <string.h>

enum { SHOWN_MAX = 1024 };

struct place {
    struct overview view;
    char shown[SHOWN_MAX];
};

struct row {
    struct place *places; /* as many as the configuration has repositories, or NULL */
};

struct glance {
    struct call *c;
    struct lock_survey *survey;
    struct row *rows; /* by configuration */
    size_t count;
    size_t at, question; /* what the store is asked now */
};

static const struct {
    const char *kind, *state;
    enum overview_kind as;
    int limit;
} questions[] = {
    {"create", NULL, OVERVIEW_CREATE, 10},
    {"create", "succeeded", OVERVIEW_CREATE, 5},
    {"create", "warning", OVERVIEW_CREATE, 5},
    {"check", NULL, OVERVIEW_CHECK, 5},
    {"verify-restore", "succeeded", OVERVIEW_RESTORE, 5},
    {"info", "succeeded", OVERVIEW_INFO, 3},
};

static void glance_free(struct glance *g)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct survey_config *one = lock_survey_config(g->survey, i);
        for (size_t k = 0; g->rows[i].places && k < one->config->count; k++)
            overview_done(&g->rows[i].places[k].view);
        mem_free(g->rows[i].places);
    }
    mem_free(g->rows);
    lock_survey_free(g->survey);
    mem_free(g);
}

/* ---- the answer ---- */

static void show_repository(struct glance *g, struct jsonw *w, const struct survey_config *one,
                            size_t i, const struct place *p)
{
    const struct resolved_repo *r = &one->config->repos[i];
    const struct job *j = lock_job(g->c->app, r);
    const struct lock_state *lock = one->locks[i];
    jsonw_begin_object(w);
    jsonw_kstr(w, "label", resolved_repo_name(r));
    jsonw_kstr(w, "location", p->shown);
    jsonw_kbool(w, "remote", r->remote);
    lock_show_word(w, "locked", lock_word_of(one, i));
    jsonw_kstr(w, "job_id", j ? job_id(j) : NULL);
    overview_write(&p->view, w);
    jsonw_kstr(w, "problem", lock && lock->problem[0] ? lock->problem : NULL);
    jsonw_end_object(w);
}

static void answer(struct glance *g)
{
    struct call *c = g->c;
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "repositories");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < g->count; i++) {
        const struct survey_config *one = lock_survey_config(g->survey, i);
        const char *slash = strrchr(one->file, '/');
        jsonw_begin_object(&w);
        jsonw_kstr(&w, "label", one->label);
        jsonw_kstr(&w, "file", slash ? slash + 1 : one->file);
        jsonw_key(&w, "repositories");
        jsonw_begin_array(&w);
        for (size_t k = 0; g->rows[i].places && k < one->config->count; k++)
            show_repository(g, &w, one, k, &g->rows[i].places[k]);
        jsonw_end_array(&w);
        jsonw_kstr(&w, "problem", one->config ? NULL : one->problem.msg);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    if (lock_survey_cut(g->survey))
        jsonw_kbool(&w, "truncated", true);
    glance_free(g);
    call_reply(c, 200, &b, &w);
}

/* ---- the records ---- */

static void next(struct glance *g);

static void fold(struct glance *g, const struct store_job *row)
{
    const struct survey_config *one = lock_survey_config(g->survey, g->at);
    json_t *record = row->record ? json_parse(row->record, strlen(row->record), NULL) : NULL;
    for (size_t k = 0; record && k < one->config->count; k++)
        overview_fold(&g->rows[g->at].places[k].view, questions[g->question].as, record);
    json_decref(record);
}

static void got(void *arg, const struct store_job *rows, size_t n, int64_t cursor)
{
    struct glance *g = arg;
    struct call *c = g->c;
    if (http_gone(c->req)) { /* perhaps because the daemon ends: jobs may be gone as well */
        glance_free(g);
        call_send(c, 200, NULL, NULL);
        return;
    }
    const struct err *failed = store_read_error(c->app->store);
    if (failed) {
        struct err e = *failed;
        glance_free(g);
        call_error(c, &e);
        return;
    }
    for (size_t i = 0; i < n; i++)
        fold(g, &rows[i]);
    g->question++;
    next(g);
}

static void next(struct glance *g)
{
    size_t all = sizeof questions / sizeof *questions;
    if (g->question == all) {
        g->question = 0;
        g->at++;
    }
    while (g->at < g->count && !g->rows[g->at].places)
        g->at++;
    if (g->at == g->count) {
        answer(g);
        return;
    }
    const struct store_filter f = {.kind = questions[g->question].kind,
                                   .state = questions[g->question].state,
                                   .label = lock_survey_config(g->survey, g->at)->label,
                                   .limit = questions[g->question].limit};
    store_jobs_list(g->c->app->store, &f, got, g);
}

/* ---- before ---- */

static bool make_places(struct glance *g)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct survey_config *one = lock_survey_config(g->survey, i);
        if (!one->config)
            continue;
        g->rows[i].places = mem_zalloc(one->config->count * sizeof *g->rows[i].places);
        for (size_t k = 0; g->rows[i].places && k < one->config->count; k++) {
            struct place *p = &g->rows[i].places[k];
            resolve_shown(one->config->repos[k].location, p->shown, sizeof p->shown);
            overview_init(&p->view, p->shown);
        }
        if (!g->rows[i].places)
            return false;
    }
    return true;
}

static void known(struct call *c, struct lock_survey *s)
{
    struct err e;
    size_t n = lock_survey_count(s);
    struct glance *g = mem_zalloc(sizeof *g);
    struct row *rows = mem_zalloc((n + 1) * sizeof *rows);
    if (!g || !rows) {
        mem_free(g);
        mem_free(rows);
        lock_survey_free(s);
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
        call_error(c, &e);
        return;
    }
    *g = (struct glance){.c = c, .survey = s, .rows = rows, .count = n};
    if (make_places(g)) {
        next(g);
        return;
    }
    glance_free(g);
    (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    call_error(c, &e);
}

void overview_repositories(struct call *c)
{
    survey_call(
        c, &(struct survey_question){.look = true, .deadline_ms = OVERVIEW_MS, .known = known});
}
