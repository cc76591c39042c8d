/* Blocks of events: written, read by job, and merged over all jobs. */
#include "jobs/store_internal.h"

#include "base/mem.h"

#include <string.h>

/* What a block costs beside its text: its row and two index entries, roughly. */
enum { BLOCK_COST = 128 };

static void log_read(sqlite3_stmt *st, struct job_log *log)
{
    *log = (struct job_log){
        .seq = sqlite3_column_int64(st, 0),
        .bytes = sqlite3_column_int64(st, 1),
        .events = sqlite3_column_int64(st, 2),
        .blocks = sqlite3_column_int64(st, 3),
        .tail = sqlite3_column_int64(st, 4),
    };
}

bool log_find(struct store *s, enum stmt which, const char *types, const char *id, int64_t seq,
              struct job_log *log, bool *found)
{
    sqlite3_stmt *st = *types == 's'   ? store_query(s, which, types, id)
                       : *types == 'i' ? store_query(s, which, types, seq)
                                       : store_query(s, which, types);
    *found = st != NULL;
    if (!st)
        return s->rc == SQLITE_DONE;
    log_read(st, log);
    (void)sqlite3_reset(st);
    return true;
}

bool log_write(struct store *s, const struct job_log *log)
{
    return store_run(s, STMT_LOG_PUT, "iiiii", log->seq, log->bytes, log->events, log->blocks,
                     log->tail);
}

static int insert_block(struct store *s, int64_t seq, const struct block *b, int64_t cost)
{
    sqlite3_stmt *st = store_stmt(s, STMT_BLOCK_INSERT);
    if (!st)
        return s->rc;
    int64_t numbers[] = {
        seq, (int64_t)b->first_id, b->count, (int64_t)b->first_gid, (int64_t)b->last_gid, cost,
    };
    int rc = SQLITE_OK;
    for (int k = 0; k < 6 && rc == SQLITE_OK; k++)
        rc = sqlite3_bind_int64(st, k + 1, numbers[k]);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 7, b->text.p, (int)b->text.n, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st); /* the block may be gone before the next one is bound */
    return rc;
}

enum op_rc op_append(struct store *s, struct op *op)
{
    const struct block *b = op->block;
    struct job_log log;
    bool found;
    if (b->count == 0)
        return OP_OK;
    if (!log_find(s, STMT_LOG_GET, "s", b->job, 0, &log, &found))
        return OP_BROKEN;
    if (!found)
        return op_no(op, ERR_NOT_FOUND, "there is no such job");
    int64_t cost = (int64_t)b->text.n + BLOCK_COST;
    int rc = insert_block(s, log.seq, b, cost);
    if ((rc & 0xFF) == SQLITE_CONSTRAINT)
        return op_no(op, ERR_ALREADY_EXISTS, "these events are kept already");
    if (rc != SQLITE_DONE) {
        s->rc = rc;
        return OP_BROKEN;
    }
    log.bytes += cost;
    log.events += b->count;
    log.blocks++;
    int64_t span = (int64_t)(b->last_gid - b->first_gid);
    s->numbers.bytes += cost;
    if (span > s->numbers.span)
        s->numbers.span = span;
    return retention_block(s, &log, (int64_t)b->first_id) ? OP_OK : OP_BROKEN;
}

/* ---- one job ---- */

/* The part of the text behind its first `skip` records. */
static const char *skip_records(const char *p, const char *end, uint64_t skip)
{
    while (skip-- && p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    return p;
}

/* Appends whole records while there is room; the first one always. False when it is full. */
static bool append_records(struct op *op, const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    size_t room = op->max > op->out.n ? op->max - op->out.n : 0;
    if (n <= room)
        return buf_append(&op->out, p, n);
    const char *cut = room ? memrchr(p, '\n', room) : NULL;
    if (!cut && op->out.n == 0)
        cut = memchr(p, '\n', n);
    if (cut)
        (void)buf_append(&op->out, p, (size_t)(cut + 1 - p));
    return false;
}

enum op_rc op_events(struct store *s, struct op *op)
{
    if (op->from > INT64_MAX)
        return OP_OK;
    buf_init(&op->out, op->max + BLOCK_TEXT);
    sqlite3_stmt *st = store_query(s, STMT_BLOCK_READ, "si", op->in.id, (int64_t)op->from);
    for (; st && s->rc == SQLITE_ROW; s->rc = sqlite3_step(st)) {
        uint64_t first = (uint64_t)sqlite3_column_int64(st, 0);
        const char *p = (const char *)sqlite3_column_text(st, 1);
        if (!p) {
            s->rc = SQLITE_NOMEM;
            break;
        }
        const char *end = p + sqlite3_column_bytes(st, 1);
        p = skip_records(p, end, op->from > first ? op->from - first : 0);
        if (!append_records(op, p, end)) {
            s->rc = SQLITE_DONE;
            break;
        }
    }
    (void)sqlite3_reset(st);
    op->cost = op->out.n;
    if (op->out.failed)
        return op_no(op, ERR_NO_MEMORY, "memory is gone");
    return s->rc == SQLITE_DONE ? OP_OK : OP_BROKEN;
}

/* ---- all jobs ----
 * Blocks of jobs that run side by side overlap in their gids. They are visited in the order of
 * their first gid, from so far before `from` that no block reaching over it is missed
 * (numbers.span), and merged. At most STORE_MERGE are in memory; when more overlap, the one whose
 * turn is last is let go and nothing from its gid on is emitted: the next call goes on there. */
struct part {
    char *job, *text; /* text is owned, job lies behind it */
    const char *end;
    struct event at;  /* its next record … */
    const char *line; /* … as text */
    size_t len;
};

struct merge {
    struct store *s;
    struct op *op;
    struct part part[STORE_MERGE];
    int n;
    uint64_t stop;      /* nothing from this gid on */
    sqlite3_stmt *list; /* stands on the next block; NULL: no more */
};

static bool part_next(struct part *p, const char *from)
{
    p->line = from;
    return event_parse(from, (size_t)(p->end - from), &p->at, &p->len);
}

static void part_drop(struct merge *m, int k)
{
    mem_free(m->part[k].text);
    m->part[k] = m->part[--m->n];
}

static int part_extreme(const struct merge *m, bool greatest)
{
    int best = 0;
    for (int k = 1; k < m->n; k++) {
        bool greater = m->part[k].at.gid > m->part[best].at.gid;
        if (greater == greatest)
            best = k;
    }
    return best;
}

/* Copies a block and stands on its first record with gid ≥ from. */
static bool part_load(struct merge *m, int64_t n, struct part *p, bool *any)
{
    *any = false;
    sqlite3_stmt *st = store_query(m->s, STMT_BLOCK_LOAD, "i", n);
    if (!st)
        return m->s->rc == SQLITE_DONE;
    const char *job = (const char *)sqlite3_column_text(st, 0);
    const char *text = (const char *)sqlite3_column_text(st, 1);
    size_t len = (size_t)sqlite3_column_bytes(st, 1);
    size_t job_len = job ? strlen(job) + 1 : 0;
    *p = (struct part){.text = job && text ? mem_alloc(len + job_len) : NULL};
    if (p->text) {
        memcpy(p->text, text, len);
        p->end = p->text + len;
        p->job = memcpy(p->text + len, job, job_len);
    }
    (void)sqlite3_reset(st);
    if (!p->text) {
        m->s->rc = SQLITE_NOMEM;
        return false;
    }
    *any = part_next(p, p->text);
    while (*any && p->at.gid < m->op->from)
        *any = part_next(p, p->line + p->len);
    if (!*any)
        mem_free(p->text);
    return true;
}

static void part_add(struct merge *m, struct part p)
{
    if (m->n == STORE_MERGE) {
        int last = part_extreme(m, true);
        struct part out = m->part[last];
        if (p.at.gid > out.at.gid)
            out = p;
        else
            m->part[last] = p;
        if (out.at.gid < m->stop)
            m->stop = out.at.gid;
        mem_free(out.text);
        return;
    }
    m->part[m->n++] = p;
}

/* Takes in every block that may hold the next record. False when the database failed. */
static bool merge_fill(struct merge *m)
{
    while (m->list) {
        uint64_t first = (uint64_t)sqlite3_column_int64(m->list, 1);
        if (first >= m->stop || (m->n && first > m->part[part_extreme(m, false)].at.gid))
            return true;
        struct part p;
        bool any;
        if (!part_load(m, sqlite3_column_int64(m->list, 0), &p, &any))
            return false;
        if (any)
            part_add(m, p);
        int rc = sqlite3_step(m->list);
        if (rc == SQLITE_ROW)
            continue;
        (void)sqlite3_reset(m->list);
        m->list = NULL;
        m->s->rc = rc;
        if (rc != SQLITE_DONE)
            return false;
    }
    return true;
}

static bool merge_emit(struct merge *m, const struct part *p)
{
    struct buf *out = &m->op->out;
    size_t job = strlen(p->job);
    if (out->n && out->n + job + 1 + p->len > m->op->max)
        return false;
    (void)buf_append(out, p->job, job);
    (void)buf_putc(out, ' ');
    return buf_append(out, p->line, p->len);
}

static bool merge_run(struct merge *m)
{
    for (;;) {
        if (!merge_fill(m))
            return false;
        if (m->n == 0)
            return true;
        int k = part_extreme(m, false);
        struct part *p = &m->part[k];
        if (p->at.gid >= m->stop || !merge_emit(m, p))
            return true;
        if (!part_next(p, p->line + p->len))
            part_drop(m, k);
    }
}

enum op_rc op_events_all(struct store *s, struct op *op)
{
    if (op->from > INT64_MAX)
        return OP_OK;
    buf_init(&op->out, op->max + BLOCK_TEXT);
    int64_t from = (int64_t)op->from;
    int64_t low = from > s->numbers.span ? from - s->numbers.span : 0;
    struct merge m = {.s = s, .op = op, .stop = UINT64_MAX};
    m.list = store_query(s, STMT_BLOCK_GIDS, "ii", low, from);
    bool ok = m.list ? merge_run(&m) : s->rc == SQLITE_DONE;
    while (m.n)
        part_drop(&m, m.n - 1);
    (void)sqlite3_reset(m.list);
    op->cost = op->out.n;
    if (op->out.failed)
        return op_no(op, ERR_NO_MEMORY, "memory is gone");
    return ok ? OP_OK : OP_BROKEN;
}
