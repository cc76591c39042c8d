/* Statements, and one function per operation on jobs and keys. */
#include "jobs/store_internal.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[STMTS] = {
#define X(name, sql) [STMT_##name] = sql,
#include "jobs/store_stmt.def"
#undef X
};

sqlite3_stmt *store_stmt(struct store *s, enum stmt which)
{
    sqlite3_stmt **st = &s->stmt[which];
    if (*st) {
        (void)sqlite3_reset(*st);
        return *st;
    }
    int rc = sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    if (rc != SQLITE_OK)
        s->rc = rc;
    return *st;
}

static sqlite3_stmt *bound(struct store *s, enum stmt which, const char *types, va_list ap)
{
    sqlite3_stmt *st = store_stmt(s, which);
    for (int k = 1; st && types[k - 1]; k++) {
        int rc;
        if (types[k - 1] == 's')
            rc = sqlite3_bind_text(st, k, va_arg(ap, const char *), -1, SQLITE_STATIC);
        else
            rc = sqlite3_bind_int64(st, k, va_arg(ap, int64_t));
        if (rc != SQLITE_OK) {
            s->rc = rc;
            return NULL;
        }
    }
    return st;
}

bool store_run(struct store *s, enum stmt which, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = bound(s, which, types, ap);
    va_end(ap);
    if (!st)
        return false;
    int rc = sqlite3_step(st);
    (void)sqlite3_reset(st);
    if (rc != SQLITE_DONE)
        s->rc = rc;
    return rc == SQLITE_DONE;
}

sqlite3_stmt *store_query(struct store *s, enum stmt which, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = bound(s, which, types, ap);
    va_end(ap);
    if (!st)
        return NULL;
    s->rc = sqlite3_step(st);
    if (s->rc == SQLITE_ROW)
        return st;
    (void)sqlite3_reset(st);
    return NULL;
}

/* ---- numbers ---- */
static const struct {
    const char *name;
    size_t at;
} number_names[NUMBERS] = {
    {"bytes", offsetof(struct numbers, bytes)},
    {"span", offsetof(struct numbers, span)},
    {"gid_mark", offsetof(struct numbers, gid)},
    {"last_job_ms", offsetof(struct numbers, last_ms)},
};

static int64_t *number(struct numbers *n, int k)
{
    return (int64_t *)(void *)((char *)n + number_names[k].at);
}

bool numbers_load(struct store *s)
{
    struct numbers got = {0};
    for (int k = 0; k < NUMBERS; k++) {
        sqlite3_stmt *st = store_query(s, STMT_NUMBER_GET, "s", number_names[k].name);
        if (!st && s->rc != SQLITE_DONE)
            return false;
        if (st) {
            *number(&got, k) = sqlite3_column_int64(st, 0);
            (void)sqlite3_reset(st);
        }
    }
    s->numbers = s->written = got;
    return true;
}

bool numbers_save(struct store *s)
{
    for (int k = 0; k < NUMBERS; k++) {
        int64_t v = *number(&s->numbers, k);
        if (v != *number(&s->written, k) &&
            !store_run(s, STMT_NUMBER_PUT, "si", number_names[k].name, v))
            return false;
    }
    return true;
}

/* ---- rows ---- */
static const char *text_at(sqlite3_stmt *st, int k, bool *ok)
{
    if (sqlite3_column_type(st, k) == SQLITE_NULL)
        return NULL;
    const char *p = (const char *)sqlite3_column_text(st, k);
    *ok = *ok && p;
    return p;
}

bool row_read(sqlite3_stmt *st, struct store_job *row)
{
    bool ok = true;
    *row = (struct store_job){
        .id = text_at(st, 0, &ok),
        .kind = text_at(st, 1, &ok),
        .label = text_at(st, 2, &ok),
        .state = text_at(st, 3, &ok),
        .queued_ms = sqlite3_column_int64(st, 4),
        .started_ms = sqlite3_column_int64(st, 5),
        .ended_ms = sqlite3_column_int64(st, 6),
        .terminal = sqlite3_column_int(st, 7) != 0,
        .reading = sqlite3_column_int(st, 8) != 0,
        .owner = text_at(st, 9, &ok),
        .last_event_id = (uint64_t)sqlite3_column_int64(st, 10),
        .private_json = text_at(st, 11, &ok),
        .record = text_at(st, 12, &ok),
    };
    return ok;
}

static bool row_write(struct store *s, enum stmt which, const struct store_job *r)
{
    return store_run(s, which, "ssssiiiiisiss", r->id, r->kind, r->label, r->state, r->queued_ms,
                     r->started_ms, r->ended_ms, (int64_t)r->terminal, (int64_t)r->reading,
                     r->owner, (int64_t)r->last_event_id, r->private_json, r->record);
}

/* Adds a copy of the row to the answer. False when memory is gone. */
static bool answer_row(struct op *op, const struct store_job *row, size_t room)
{
    if (!op->rows) {
        op->rows = mem_alloc(room * sizeof *op->rows);
        op->row_mem = mem_alloc(room * sizeof *op->row_mem);
    }
    if (!op->rows || !op->row_mem)
        return false;
    char *mem = row_copy(row, &op->rows[op->rows_n]);
    if (!mem)
        return false;
    op->row_mem[op->rows_n++] = mem;
    op->cost += sizeof *row + (row->record ? strlen(row->record) : 0) +
                (row->private_json ? strlen(row->private_json) : 0);
    return true;
}

/* The number of a job; *found is false when there is none. False when the database failed. */
static bool seq_of(struct store *s, const char *id, bool *found, int64_t *seq)
{
    sqlite3_stmt *st = store_query(s, STMT_JOB_SEQ, "s", id);
    *found = st != NULL;
    if (!st)
        return s->rc == SQLITE_DONE;
    *seq = sqlite3_column_int64(st, 0);
    (void)sqlite3_reset(st);
    return true;
}

static int64_t id_ms(const char *id)
{
    const char *colon = strrchr(id, ':');
    int64_t ms = colon ? strtoll(colon + 1, NULL, 10) : 0;
    return ms > 0 ? ms : 0;
}

/* ---- operations ---- */
static enum op_rc key_claim(struct store *s, struct op *op, int64_t now)
{
    const struct store_job *in = &op->in;
    sqlite3_stmt *st =
        store_query(s, STMT_KEY_GET, "si", in->idem_key, now - (int64_t)IDEMPOTENCY_KEEP_S * 1000);
    if (st) {
        (void)sqlite3_reset(st);
        return op_no(op, ERR_IN_FLIGHT, "another request has just used this idempotency key");
    }
    if (s->rc != SQLITE_DONE ||
        !store_run(s, STMT_KEY_PUT, "sssi", in->idem_key, in->idem_fingerprint, in->id, now) ||
        !store_run(s, STMT_KEY_BOUND, "i", (int64_t)IDEMPOTENCY_KEYS))
        return OP_BROKEN;
    return OP_OK;
}

enum op_rc op_create(struct store *s, struct op *op)
{
    bool found;
    int64_t seq;
    if (!seq_of(s, op->in.id, &found, &seq))
        return OP_BROKEN;
    if (found)
        return op_no(op, ERR_ALREADY_EXISTS, "a job with this id exists");
    if (op->in.idem_key) {
        enum op_rc rc = key_claim(s, op, store_now_ms());
        if (rc != OP_OK)
            return rc;
    }
    if (!row_write(s, STMT_JOB_INSERT, &op->in) ||
        !store_run(s, STMT_LOG_INSERT, "ii", (int64_t)sqlite3_last_insert_rowid(s->db),
                   (int64_t)op->from))
        return OP_BROKEN;
    int64_t ms = id_ms(op->in.id);
    if (ms > s->numbers.last_ms)
        s->numbers.last_ms = ms;
    return OP_OK;
}

enum op_rc op_update(struct store *s, struct op *op)
{
    bool found;
    int64_t seq;
    if (!seq_of(s, op->in.id, &found, &seq))
        return OP_BROKEN;
    if (!found)
        return op_no(op, ERR_NOT_FOUND, "there is no such job");
    if (!row_write(s, STMT_JOB_UPDATE, &op->in))
        return OP_BROKEN;
    s->sweep = s->sweep || op->in.terminal;
    return OP_OK;
}

enum op_rc op_reserve(struct store *s, struct op *op)
{
    bool found;
    int64_t seq;
    if (!seq_of(s, op->in.id, &found, &seq))
        return OP_BROKEN;
    if (!found)
        return op_no(op, ERR_NOT_FOUND, "there is no such job");
    return store_run(s, STMT_LOG_MARK, "ii", seq, (int64_t)op->from) ? OP_OK : OP_BROKEN;
}

enum op_rc op_reserve_gid(struct store *s, struct op *op)
{
    if ((int64_t)op->from > s->numbers.gid)
        s->numbers.gid = (int64_t)op->from;
    return OP_OK;
}

enum op_rc op_get(struct store *s, struct op *op)
{
    sqlite3_stmt *st = store_query(s, STMT_JOB_GET, "s", op->in.id);
    if (!st)
        return s->rc == SQLITE_DONE ? OP_OK : OP_BROKEN;
    struct store_job row;
    bool ok = row_read(st, &row) && answer_row(op, &row, 1);
    (void)sqlite3_reset(st);
    return ok ? OP_OK : op_no(op, ERR_NO_MEMORY, "memory is gone");
}

enum op_rc op_jobs(struct store *s, struct op *op)
{
    const struct store_filter *f = &op->filter;
    size_t limit = (size_t)f->limit;
    int64_t last = 0;
    sqlite3_stmt *st =
        store_query(s, STMT_JOB_LIST, "sssiii", op->in.state, op->in.kind, op->in.label,
                    f->since_ms, f->before_seq > 0 ? f->before_seq : INT64_MAX, (int64_t)limit + 1);
    for (; st; s->rc = sqlite3_step(st)) {
        if (s->rc != SQLITE_ROW)
            break;
        struct store_job row;
        if (op->rows_n == limit || op->cost > STORE_LIST_BYTES) {
            op->next_cursor = last;
            s->rc = SQLITE_DONE;
            break;
        }
        if (!row_read(st, &row) || !answer_row(op, &row, limit)) {
            (void)sqlite3_reset(st);
            return op_no(op, ERR_NO_MEMORY, "memory is gone");
        }
        last = sqlite3_column_int64(st, 13);
    }
    (void)sqlite3_reset(st);
    return s->rc == SQLITE_DONE ? OP_OK : OP_BROKEN;
}

enum op_rc op_key(struct store *s, struct op *op)
{
    sqlite3_stmt *st = store_query(s, STMT_KEY_GET, "si", op->in.idem_key,
                                   store_now_ms() - (int64_t)IDEMPOTENCY_KEEP_S * 1000);
    if (!st)
        return s->rc == SQLITE_DONE ? OP_OK : OP_BROKEN;
    bool ok = true;
    struct store_job row = {.id = text_at(st, 0, &ok), .idem_fingerprint = text_at(st, 1, &ok)};
    ok = ok && answer_row(op, &row, 1);
    (void)sqlite3_reset(st);
    return ok ? OP_OK : op_no(op, ERR_NO_MEMORY, "memory is gone");
}

bool store_unfinished(struct store *s,
                      void (*each)(void *arg, const struct store_job *row, uint64_t mark),
                      void *arg)
{
    bool ok = true;
    uv_mutex_lock(&s->db_lock);
    sqlite3_stmt *st = store_query(s, STMT_JOB_UNFINISHED, "");
    for (; st && s->rc == SQLITE_ROW; s->rc = sqlite3_step(st)) {
        struct store_job row;
        ok = row_read(st, &row);
        if (!ok)
            break;
        each(arg, &row, (uint64_t)sqlite3_column_int64(st, 14));
    }
    (void)sqlite3_reset(st);
    ok = ok && s->rc == SQLITE_DONE;
    uv_mutex_unlock(&s->db_lock);
    return ok;
}
