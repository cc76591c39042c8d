/* Operations as values: the copies they take with them and the answers they bring back. */
#include "jobs/store_internal.h"

#include "base/mem.h"

#include <string.h>

enum { ROW_STRINGS = 9 };

void op_init(struct op *op, enum op_kind kind, void *arg)
{
    static const struct {
        bool write, durable, critical, urgent;
    } traits[] = {
        [OP_CREATE] = {.write = true, .durable = true},
        [OP_UPDATE] = {.write = true, .critical = true, .urgent = true},
        [OP_END] = {.write = true, .durable = true, .critical = true, .urgent = true},
        [OP_RESERVE] = {.write = true, .durable = true, .urgent = true},
        [OP_RESERVE_GID] = {.write = true, .durable = true, .urgent = true},
        [OP_APPEND] = {.write = true},
        [OP_KEY] = {.write = false},
    };
    op->kind = kind;
    op->arg = arg;
    op->write = traits[kind].write;
    op->durable = traits[kind].durable;
    op->critical = traits[kind].critical;
    op->urgent = traits[kind].urgent;
    buf_init(&op->out, BLOCK_TEXT);
}

static void row_strings(struct store_job *row, const char **at[ROW_STRINGS])
{
    const char **all[ROW_STRINGS] = {&row->id,       &row->kind,         &row->label,
                                     &row->state,    &row->owner,        &row->record,
                                     &row->idem_key, &row->private_json, &row->idem_fingerprint};
    memcpy(at, all, sizeof all);
}

char *row_copy(const struct store_job *in, struct store_job *out)
{
    const char **at[ROW_STRINGS];
    size_t len[ROW_STRINGS], sum = 0;
    *out = *in;
    row_strings(out, at);
    for (int k = 0; k < ROW_STRINGS; k++) {
        len[k] = *at[k] ? strlen(*at[k]) + 1 : 0;
        sum += len[k];
    }
    char *mem = mem_alloc(sum), *p = mem;
    for (int k = 0; mem && k < ROW_STRINGS; k++) {
        if (!len[k])
            continue;
        memcpy(p, *at[k], len[k]);
        *at[k] = p;
        p += len[k];
    }
    return mem;
}

void op_forget_answer(struct op *op)
{
    for (size_t k = 0; k < op->rows_n; k++)
        mem_free(op->row_mem[k]);
    mem_free(op->rows);
    mem_free(op->row_mem);
    buf_done(&op->out);
    op->rows = NULL;
    op->row_mem = NULL;
    op->rows_n = 0;
    op->cost = 0;
    op->next_cursor = 0;
    op->failed = ERR_NONE;
    op->why = NULL;
}

void op_done(struct op *op)
{
    op_forget_answer(op);
    block_unref(op->block);
    op->block = NULL;
    mem_free(op->mem);
    op->mem = NULL;
}

enum op_rc op_no(struct op *op, enum err_code code, const char *why)
{
    op->failed = code;
    op->why = why;
    return OP_NO;
}

static void answer_read(const struct op *op)
{
    const struct store_job *row = op->rows_n ? op->rows : NULL;
    if (op->kind == OP_GET)
        op->call.job(op->arg, row != NULL, row);
    else if (op->kind == OP_LIST)
        op->call.jobs(op->arg, op->rows, op->rows_n, op->next_cursor);
    else if (op->kind == OP_KEY)
        op->call.key(op->arg, row != NULL, row ? row->idem_fingerprint : NULL,
                     row ? row->id : NULL);
    else
        op->call.events(op->arg, buf_str(&op->out), op->out.n);
}

void op_answer(struct store *s, struct op *op)
{
    struct err e = {0};
    bool failed = op->failed != ERR_NONE;
    if (failed) {
        (void)err_set(&e, op->failed, "%s", op->why);
        op_forget_answer(op); /* half an answer is none */
    }
    if (op->write) {
        if (op->call.done)
            op->call.done(op->arg, !failed, failed ? &e : NULL);
        return;
    }
    s->answering = failed ? &e : NULL;
    answer_read(op);
    s->answering = NULL;
}

void op_list_init(struct op_list *l)
{
    l->first = NULL;
    l->end = &l->first;
    l->n = 0;
}

void op_list_add(struct op_list *l, struct op *op)
{
    op->next = NULL;
    *l->end = op;
    l->end = &op->next;
    l->n++;
}

struct op *op_list_take(struct op_list *l)
{
    struct op *op = l->first;
    if (!op)
        return NULL;
    l->first = op->next;
    if (!l->first)
        l->end = &l->first;
    l->n--;
    op->next = NULL;
    return op;
}

void op_list_move(struct op_list *from, struct op_list *to)
{
    if (!from->first)
        return;
    *to->end = from->first;
    to->end = from->end;
    to->n += from->n;
    op_list_init(from);
}
