#include "backup/create/create_internal.h"
#include "base/jsonw.h"
#include "jobs/redact.h"

#include <stdio.h>
#include <string.h>

static void number(struct jsonw *w, const char *key, const json_t *o, const char *from)
{
    const json_t *v = json_object_get(o, from);
    if (json_is_integer(v))
        jsonw_kint(w, key, json_integer_value(v));
    else if (json_is_number(v))
        jsonw_kseconds(w, key, json_number_value(v));
}

/* The archive by borg's own words: what was read back, else what its statistics said. */
static void archive_member(struct jsonw *w, const struct create_repo *r)
{
    jsonw_key(w, "archive");
    if (!r->found && !r->archive[0]) {
        jsonw_null(w);
        return;
    }
    jsonw_begin_object(w);
    if (!r->found) {
        jsonw_kstr(w, "name", r->archive);
        jsonw_kstr(w, "id", r->archive_id);
        jsonw_kbool(w, "verified", false);
        jsonw_end_object(w);
        return;
    }
    const json_t *stats = json_object_get(r->found, "stats");
    jsonw_kstr(w, "name", json_string_value(json_object_get(r->found, "name")));
    jsonw_kstr(w, "id", json_string_value(json_object_get(r->found, "id")));
    jsonw_kbool(w, "verified", true);
    jsonw_kstr(w, "start", json_string_value(json_object_get(r->found, "start")));
    jsonw_kstr(w, "end", json_string_value(json_object_get(r->found, "end")));
    number(w, "duration", r->found, "duration");
    number(w, "nfiles", stats, "nfiles");
    number(w, "original_size", stats, "original_size");
    number(w, "compressed_size", stats, "compressed_size");
    number(w, "deduplicated_size", stats, "deduplicated_size");
    jsonw_end_object(w);
}

static void repository(struct jsonw *w, const struct create_repo *r)
{
    char location[1024];
    resolve_shown(r->repo->location, location, sizeof location);
    jsonw_begin_object(w);
    jsonw_kstr(w, "repository", location);
    jsonw_kstr(w, "label", resolved_repo_name(r->repo));
    jsonw_key(w, "exit_code");
    if (r->main_ran && r->exited)
        jsonw_int(w, r->code);
    else
        jsonw_null(w);
    archive_member(w, r);
    struct buf verdict;
    buf_init(&verdict, LIMIT_RECORD);
    if (r->verdict)
        verdict_json(r->verdict, &verdict);
    jsonw_kraw(w, "verdict", verdict.n ? buf_str(&verdict) : NULL);
    buf_done(&verdict);
    jsonw_end_object(w);
}

void create_result_json(const struct create *c, struct buf *out)
{
    struct buf plain;
    struct jsonw w;
    buf_init(&plain, LIMIT_RECORD);
    jsonw_init(&w, &plain);
    jsonw_begin_object(&w);
    jsonw_kbool(&w, "dry_run", c->dry_run);
    jsonw_key(&w, "repositories");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < c->repo_count; i++)
        repository(&w, &c->repos[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    (void)redact_apply(c->run ? run_redact(c->run) : NULL, buf_str(&plain), plain.n, out);
    buf_done(&plain);
}

static const struct create_repo *worst_of(const struct create *c, struct verdict_result *worst)
{
    const struct create_repo *found = NULL;
    for (size_t i = 0; i < c->repo_count; i++) {
        struct verdict_result one;
        if (!c->repos[i].verdict)
            continue;
        verdict_result(c->repos[i].verdict, &one);
        if (found && one.state <= worst->state)
            continue;
        *worst = one;
        found = &c->repos[i];
    }
    return found;
}

static size_t repositories_run(const struct create *c)
{
    size_t ran = 0;
    for (size_t i = 0; i < c->repo_count; i++)
        ran += c->repos[i].verdict != NULL;
    return ran;
}

static void verdict_member(const struct create *c, const struct verdict_result *v, struct buf *out)
{
    struct buf plain;
    struct jsonw w;
    buf_init(&plain, LIMIT_RECORD);
    jsonw_init(&w, &plain);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "word", v->word);
    jsonw_kstr(&w, "sentence", v->sentence);
    jsonw_key(&w, "evidence");
    jsonw_begin_object(&w);
    jsonw_kint(&w, "borgmatic_exit_code", c->code);
    if (c->signal)
        jsonw_kint(&w, "borgmatic_signal", c->signal);
    jsonw_kint(&w, "borg_runs", (int64_t)c->borg_runs);
    jsonw_kint(&w, "repositories_expected", (int64_t)c->repo_count);
    jsonw_kint(&w, "repositories_run", (int64_t)repositories_run(c));
    if (c->left)
        jsonw_kint(&w, "processes_left", (int64_t)c->left);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    (void)redact_apply(c->run ? run_redact(c->run) : NULL, buf_str(&plain), plain.n, out);
    buf_done(&plain);
}

static enum job_state state_of(enum verdict_state s)
{
    if (s == VERDICT_SUCCEEDED)
        return JOB_SUCCEEDED;
    return s == VERDICT_WARNING ? JOB_WARNING : JOB_FAILED;
}

/* A stop that was asked for decides word and sentence, unless the run was over before. */
static void stop_words(const struct create *c, struct verdict_result *v)
{
    enum job_stop why;
    if (c->ended_by_itself || !job_stopping(c->job, &why))
        return;
    static const struct {
        const char *word, *sentence;
    } words[] = {
        [JOB_STOP_CANCEL] = {"cancelled", "the backup was cancelled on request"},
        [JOB_STOP_TIMEOUT] = {"timed_out", "the backup ran past its time limit and was ended"},
        [JOB_STOP_SHUTDOWN] = {"interrupted", "the daemon went down before the backup was done"},
    };
    (void)snprintf(v->word, sizeof v->word, "%s", words[why].word);
    (void)snprintf(v->sentence, sizeof v->sentence, "%s%s", words[why].sentence,
                   c->left ? "; some of its processes could not be ended" : "");
}

void create_finish(struct create *c)
{
    struct verdict_result worst = {0}, v = {0};
    const struct create_repo *of = worst_of(c, &worst);
    verdict_of_run(c->code, c->signal, c->run ? run_stderr_tail(c->run) : "", of ? &worst : NULL,
                   repositories_run(c), c->repo_count, c->dry_run, &v);
    stop_words(c, &v);
    struct buf result, verdict, sentence;
    buf_init(&result, LIMIT_RECORD);
    buf_init(&verdict, LIMIT_RECORD);
    buf_init(&sentence, LIMIT_LINE);
    create_result_json(c, &result);
    verdict_member(c, &v, &verdict);
    (void)redact_apply(c->run ? run_redact(c->run) : NULL, v.sentence, strlen(v.sentence),
                       &sentence);
    struct buf out_tail, err_tail;
    buf_init(&out_tail, LIMIT_LINE);
    buf_init(&err_tail, LIMIT_LINE);
    (void)buf_puts(&out_tail, c->run ? run_stdout_tail(c->run) : "");
    (void)buf_puts(&err_tail, c->run ? run_stderr_tail(c->run) : "");
    run_free(c->run); /* before the job's end: nothing may append after it */
    c->run = NULL;
    job_set_result(c->job, buf_str(&result));
    job_end(c->job, &(struct job_outcome){
                        .state = state_of(v.state),
                        .keep_state = c->ended_by_itself,
                        .exit_code = c->code,
                        .word = v.word,
                        .sentence = buf_str(&sentence),
                        .verdict_json = buf_str(&verdict),
                        .api = v.api,
                        .stdout_tail = buf_str(&out_tail),
                        .stderr_tail = buf_str(&err_tail),
                    });
    buf_done(&result);
    buf_done(&verdict);
    buf_done(&sentence);
    buf_done(&out_tail);
    buf_done(&err_tail);
}

void create_fail(struct create *c, const struct err *e)
{
    job_end(c->job, &(struct job_outcome){
                        .state = JOB_FAILED,
                        .exit_code = -1,
                        .word = "not_started",
                        .sentence = e->msg,
                        .api = e->code,
                    });
}
