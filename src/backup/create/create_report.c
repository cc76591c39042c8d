#include "backup/create/create_internal.h"
#include "backup/run/job_verdict.h"
#include "base/jsonw.h"
#include "jobs/redact.h"

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
    jsonw_begin_object(w);
    job_verdict_repository(w, r->repo, r->main_ran && r->exited, r->code, r->verdict);
    archive_member(w, r);
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

static struct job_verdicts verdicts_of(const struct create *c)
{
    struct job_verdicts all = {0};
    for (size_t i = 0; i < c->repo_count; i++)
        job_verdicts_add(&all, c->repos[i].verdict);
    return all;
}

static void verdict_member(const struct create *c, const struct verdict_result *v, size_t ran,
                           struct buf *out)
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
    jsonw_kint(&w, "repositories_run", (int64_t)ran);
    if (c->left)
        jsonw_kint(&w, "processes_left", (int64_t)c->left);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    (void)redact_apply(c->run ? run_redact(c->run) : NULL, buf_str(&plain), plain.n, out);
    buf_done(&plain);
}

void create_finish(struct create *c)
{
    struct verdict_result v = {0};
    const struct job_verdicts all = verdicts_of(c);
    verdict_of_run(c->code, c->signal, c->run ? run_stderr_tail(c->run) : "",
                   all.found ? &all.worst : NULL, all.ran, c->repo_count, c->dry_run, &v);
    if (!c->ended_by_itself)
        job_verdict_stopped(c->job, "the backup", NULL, c->left > 0, &v);
    struct buf result, verdict, sentence;
    buf_init(&result, LIMIT_RECORD);
    buf_init(&verdict, LIMIT_RECORD);
    buf_init(&sentence, LIMIT_LINE);
    create_result_json(c, &result);
    verdict_member(c, &v, all.ran, &verdict);
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
                        .state = job_verdict_state(v.state),
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
