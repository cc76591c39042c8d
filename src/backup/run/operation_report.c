/* How an operation ends: result, verdict, state. */
#include "backup/run/job_verdict.h"
#include "backup/run/operation_internal.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void operation_drop_reports(struct operation *op)
{
    for (size_t i = 0; i < op->repo_count; i++) {
        verdict_free(op->repos[i].verdict);
        mem_free(op->repos[i].result);
    }
}

void operation_repo_result(struct operation_repo *r, const char *members)
{
    mem_free(r->result);
    r->result = mem_strdup(members);
}

static void repository(struct jsonw *w, const struct operation_repo *r)
{
    jsonw_begin_object(w);
    job_verdict_repository(w, r->repo, r->main_ran && r->exited, r->code, r->verdict);
    if (r->result)
        (void)buf_printf(w->b, ",%s", r->result);
    jsonw_end_object(w);
}

static void result_json(const struct operation *op, const char *members, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_key(&w, "repositories");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < op->repo_count; i++)
        repository(&w, &op->repos[i]);
    jsonw_end_array(&w);
    if (members)
        (void)buf_printf(out, ",%s", members);
    jsonw_end_object(&w);
}

static void verdict_member(const struct operation *op, const struct verdict_result *v,
                           struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "word", v->word);
    jsonw_kstr(&w, "sentence", v->sentence);
    jsonw_key(&w, "evidence");
    jsonw_begin_object(&w);
    if (op->result.ran) {
        jsonw_kint(&w, "exit_code", op->result.code);
        if (op->result.signal)
            jsonw_kint(&w, "signal", op->result.signal);
        if (op->result.left)
            jsonw_kint(&w, "processes_left", (int64_t)op->result.left);
    }
    if (op->by_borgmatic)
        jsonw_kint(&w, "borg_runs", (int64_t)op->borg_runs);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

void operation_is_done(struct operation *op)
{
    op->over_before_stop = true;
}

void operation_stop_note(struct operation *op, const char *note)
{
    op->stop_note = note;
}

void operation_end(struct operation *op, const struct verdict_result *v, const char *result)
{
    assert(!op->ended && !op->run);
    op->ended = true;
    struct verdict_result said = *v;
    if (!op->over_before_stop)
        job_verdict_stopped(op->job, "the job", op->stop_note, op->result.left > 0, &said);
    struct buf verdict, own;
    buf_init(&verdict, LIMIT_RECORD);
    buf_init(&own, LIMIT_RECORD);
    verdict_member(op, &said, &verdict);
    if (!result && op->repo_count)
        result_json(op, NULL, &own);
    job_set_result(op->job, result ? result : own.n ? buf_str(&own) : NULL);
    job_end(op->job, &(struct job_outcome){.state = job_verdict_state(said.state),
                                           .keep_state = op->over_before_stop,
                                           .exit_code = op->result.ran ? op->result.code : -1,
                                           .word = said.word,
                                           .sentence = said.sentence,
                                           .verdict_json = buf_str(&verdict),
                                           .api = said.api,
                                           .field = op->field,
                                           .stdout_tail = op->out_tail,
                                           .stderr_tail = op->err_tail});
    buf_done(&verdict);
    buf_done(&own);
}

void operation_end_worst(struct operation *op, const char *members)
{
    struct verdict_result v = {0};
    struct job_verdicts all = {0};
    for (size_t i = 0; i < op->repo_count; i++)
        job_verdicts_add(&all, op->repos[i].verdict);
    if (op->by_borgmatic)
        verdict_of_run(op->result.code, op->result.signal, op->err_tail ? op->err_tail : "",
                       all.found ? &all.worst : NULL, all.ran, op->repo_count, false, &v);
    else if (all.found)
        v = all.worst;
    if (v.api == ERR_BACKUP_FAILED)
        v.api = ERR_COMMAND_FAILED;
    operation_end_as(op, &v, members);
}

void operation_end_as(struct operation *op, const struct verdict_result *v, const char *members)
{
    struct buf result;
    buf_init(&result, LIMIT_RECORD);
    result_json(op, members, &result);
    operation_end(op, v, buf_str(&result));
    buf_done(&result);
}

void operation_fail(struct operation *op, const struct err *e)
{
    struct verdict_result v = {.state = VERDICT_FAILED, .api = e->code};
    (void)snprintf(v.word, sizeof v.word, "%s", err_word(e->code));
    (void)snprintf(v.sentence, sizeof v.sentence, "%s", e->msg);
    (void)snprintf(op->field, sizeof op->field, "%s", e->field);
    operation_end(op, &v, NULL);
}

void operation_end_well(struct operation *op, const char *word, const char *sentence,
                        const char *result)
{
    struct verdict_result v = {.state = VERDICT_SUCCEEDED};
    (void)snprintf(v.word, sizeof v.word, "%s", word);
    (void)snprintf(v.sentence, sizeof v.sentence, "%s", sentence);
    operation_end(op, &v, result);
}
