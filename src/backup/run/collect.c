#include "backup/run/collect.h"

#include "base/json.h"
#include "base/mem.h"

#include <string.h>

struct collect {
    struct collect_question q;
    char *verb[CHILD_ARGS];
    char *archive;
    json_t *answers;
    size_t next;
};

static void collect_free(void *data)
{
    struct collect *c = data;
    if (!c)
        return;
    for (size_t i = 0; i < CHILD_ARGS; i++)
        mem_free(c->verb[i]);
    mem_free(c->archive);
    json_decref(c->answers);
    if (c->q.free_arg)
        c->q.free_arg(c->q.arg);
    mem_free(c);
}

void *collect_new(const struct collect_question *q)
{
    struct collect *c = mem_zalloc(sizeof *c);
    if (!c) {
        if (q->free_arg)
            q->free_arg(q->arg);
        return NULL;
    }
    c->q = *q;
    c->answers = json_array();
    c->archive = mem_strdup(q->archive);
    bool whole = c->answers && (c->archive || !q->archive);
    for (size_t i = 0; whole && q->verb[i] && i + 1 < CHILD_ARGS; i++)
        whole = (c->verb[i] = mem_strdup(q->verb[i])) != NULL;
    if (whole)
        return c;
    collect_free(c);
    return NULL;
}

/* What borg answered joins the rest; false when it is no JSON. */
static bool take(struct collect *c, struct operation_repo *r, const struct operation_result *last)
{
    json_t *answer = last->out_cut ? NULL : json_parse(last->out, last->out_len, NULL);
    if (!answer)
        return false;
    struct buf members;
    buf_init(&members, LIMIT_RECORD);
    if (c->q.keep)
        answer = c->q.keep(c->q.arg, r->repo, answer, &members);
    if (members.n)
        operation_repo_result(r, buf_str(&members));
    buf_done(&members);
    return json_array_append_new(c->answers, answer) == 0;
}

static void finish(struct operation *op, struct collect *c)
{
    struct buf doc, text;
    buf_init(&doc, LIMIT_REPLY);
    buf_init(&text, LIMIT_RECORD);
    if (c->q.print)
        c->q.print(c->answers, &text);
    if (text.n)
        operation_print(op, buf_str(&text));
    buf_done(&text);
    if (json_write(c->answers, &doc))
        job_take_document(operation_job(op), &doc);
    buf_done(&doc);
    operation_end_worst(op, NULL);
}

static void collect_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct collect *c = data;
    struct err e = {0};
    struct verdict_result v = {0};
    if (last->ran) {
        struct operation_repo *r = operation_repo(op, c->next++);
        verdict_result(last->verdict, &v);
        if (!last->stopped && v.state != VERDICT_FAILED && !take(c, r, last)) {
            (void)err_set(&e, ERR_COMMAND_FAILED,
                          last->out_cut ? "borg's answer is too long"
                                        : "borg's answer is not json");
            operation_fail(op, &e);
            return;
        }
    }
    if (last->stopped || operation_stopping(op) || c->next == operation_repo_count(op)) {
        finish(op, c);
        return;
    }
    const struct operation_borg b = {.repo = operation_repo(op, c->next),
                                     .verb = (const char *const *)c->verb,
                                     .archive = c->archive,
                                     .out = OPERATION_KEEP,
                                     .keep_max = c->q.keep_max};
    if (!operation_borg(op, &b, &e))
        operation_fail(op, &e);
}

const struct operation_plan collect_plan = {.step = collect_step, .free = collect_free};
