#include "api/handlers/locks.h"

#include "api/lock_show.h"
#include "api/survey_call.h"

#include <string.h>

/* ---- reading ---- */

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

static void show_config(struct call *c, struct jsonw *w, const struct survey_config *one)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "file", base_name(one->file));
    jsonw_kstr(w, "label", one->label);
    lock_show_word(w, "locked", lock_word_of_all(one, NULL));
    jsonw_kstr(w, "problem", lock_problem(one, NULL));
    lock_show_repositories(c->app, w, one, NULL);
    jsonw_end_object(w);
}

static void show_cut(struct jsonw *w, const struct lock_survey *s)
{
    if (lock_survey_cut(s))
        jsonw_kbool(w, "truncated", true);
}

static void show_status(struct call *c, struct lock_survey *s)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "results");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < lock_survey_count(s); i++)
        show_config(c, &w, lock_survey_config(s, i));
    jsonw_end_array(&w);
    show_cut(&w, s);
    lock_survey_free(s);
    call_reply(c, 200, &b, &w);
}

void locks_status(struct call *c)
{
    survey_call(c, &(struct survey_question){.look = true, .probe = true, .known = show_status});
}

static void show_labels(struct jsonw *w, const char *key, const struct lock_survey *s,
                        enum lock_word word)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (size_t i = 0; i < lock_survey_count(s); i++)
        if (lock_word_of_all(lock_survey_config(s, i), NULL) == word)
            jsonw_str(w, lock_survey_config(s, i)->label);
    jsonw_end_array(w);
}

static void show_active(struct call *c, struct lock_survey *s)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    show_labels(&w, "active", s, LOCK_LOCKED);
    show_labels(&w, "unknown", s, LOCK_NOT_KNOWN);
    show_cut(&w, s);
    lock_survey_free(s);
    call_reply(c, 200, &b, &w);
}

void locks_active(struct call *c)
{
    survey_call(c, &(struct survey_question){.look = true, .probe = true, .known = show_active});
}

/* The reference API's member: empty when nothing is locked. */
static void show_info(struct call *c, struct jsonw *w, const struct survey_config *one,
                      const char *repository)
{
    jsonw_key(w, "lock_info");
    jsonw_begin_object(w);
    for (size_t i = 0; one->config && i < one->config->count; i++) {
        if (!lock_concerns(one, i, repository) || lock_word_of(one, i) != LOCK_LOCKED)
            continue;
        lock_show_repository(c->app, w, one, i);
        break;
    }
    jsonw_end_object(w);
}

static void show_one(struct call *c, struct lock_survey *s)
{
    const struct survey_config *one = lock_survey_config(s, 0);
    const char *repository = call_str(c, "repository_label", NULL);
    enum lock_word word = lock_word_of_all(one, repository);
    struct buf b;
    struct jsonw w;
    if (!lock_repository_known(c, one, repository)) {
        lock_survey_free(s);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "label", one->label);
    lock_show_word(&w, "locked", word);
    show_info(c, &w, one, repository);
    jsonw_key(&w, "returncode"); /* the reference API's: that of a listing */
    if (word == LOCK_NOT_KNOWN)
        jsonw_null(&w);
    else
        jsonw_int(&w, word == LOCK_LOCKED);
    jsonw_kstr(&w, "problem", lock_problem(one, repository));
    lock_show_repositories(c->app, &w, one, repository);
    lock_survey_free(s);
    call_reply(c, 200, &b, &w);
}

void locks_quick_check(struct call *c)
{
    survey_call(c, &(struct survey_question){.label = call_str(c, "label", ""),
                                             .repository = call_str(c, "repository_label", NULL),
                                             .look = true,
                                             .probe = true,
                                             .known = show_one});
}
