/* The store's thread: takes what is queued, carries it out in one transaction, hands the answers
 * back. When a transaction fails each of its operations is tried alone, so that one does not drag
 * the others down; what must land is tried again until it does. */
#include "jobs/store_internal.h"

#include <malloc.h>

#define MS 1000000ULL

/* ---- transactions ---- */
static bool set_sync(struct store *s, bool full)
{
    if (s->full_sync == full)
        return true;
    if (!store_exec(s, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"))
        return false;
    s->full_sync = full;
    return true;
}

static bool begin(struct store *s, bool write, bool durable)
{
    return (!write || set_sync(s, durable)) && store_exec(s, write ? "BEGIN IMMEDIATE" : "BEGIN");
}

static void roll_back(struct store *s)
{
    int rc = s->rc;
    for (int k = 0; k < STMTS; k++)
        (void)sqlite3_reset(s->stmt[k]);
    if (!sqlite3_get_autocommit(s->db))
        (void)store_exec(s, "ROLLBACK");
    s->numbers = s->written;
    s->rc = rc;
}

static bool commit(struct store *s)
{
    if (!numbers_save(s) || !store_exec(s, "COMMIT"))
        return false;
    s->written = s->numbers;
    sqlite3_int64 changes = sqlite3_total_changes64(s->db);
    if (changes != s->changes) {
        s->changes = changes;
        (void)atomic_fetch_add(&s->commits, 1);
        s->dirty = true;
        if (s->reserve)
            atomic_store(&s->full, false);
    }
    return true;
}

static bool no_space(int rc)
{
    rc &= 0xFF;
    return rc == SQLITE_FULL || rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN;
}

static void void_transaction(struct store *s, bool write)
{
    roll_back(s);
    if (!write)
        return;
    (void)atomic_fetch_add(&s->failures, 1);
    if (no_space(s->rc))
        atomic_store(&s->full, true);
}

/* ---- operations ---- */
static enum op_rc op_end(struct store *s, struct op *op)
{
    enum op_rc rc = op->block ? op_append(s, op) : OP_OK;
    /* Refused events (they are kept already, say) must not keep the verdict from landing. */
    if (rc == OP_BROKEN)
        return rc;
    op->failed = ERR_NONE;
    return op_update(s, op);
}

static enum op_rc carry_out(struct store *s, struct op *op)
{
    if (!s->reserve && op->write && !op->urgent)
        return op_no(op, ERR_STORE_FULL, "the disk is full");
    switch (op->kind) {
    case OP_CREATE:
        return op_create(s, op);
    case OP_UPDATE:
        return op_update(s, op);
    case OP_END:
        return op_end(s, op);
    case OP_RESERVE:
        return op_reserve(s, op);
    case OP_RESERVE_GID:
        return op_reserve_gid(s, op);
    case OP_APPEND:
        return op_append(s, op);
    case OP_GET:
        return op_get(s, op);
    case OP_LIST:
        return op_jobs(s, op);
    case OP_EVENTS:
        return op_events(s, op);
    case OP_EVENTS_ALL:
        return op_events_all(s, op);
    case OP_KEY:
        return op_key(s, op);
    }
    return OP_BROKEN;
}

/* All of them in one transaction, or nothing. */
static bool together(struct store *s, struct op *first)
{
    bool write = false, durable = false, ok;
    for (struct op *op = first; op; op = op->next) {
        op_forget_answer(op);
        write = write || op->write;
        durable = durable || op->durable;
    }
    ok = begin(s, write, durable);
    for (struct op *op = first; op && ok; op = op->next)
        ok = carry_out(s, op) != OP_BROKEN;
    ok = ok && commit(s);
    if (!ok)
        void_transaction(s, write);
    return ok;
}

static void fail(struct store *s, struct op *op)
{
    op_forget_answer(op);
    int rc = s->rc & 0xFF;
    if (rc == SQLITE_NOMEM)
        (void)op_no(op, ERR_NO_MEMORY, "memory is gone");
    else if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        (void)op_no(op, ERR_UNAVAILABLE, "another program holds the database");
    else if (!op->write)
        (void)op_no(op, ERR_UNAVAILABLE, "the database cannot be read");
    else
        (void)op_no(op, ERR_STORE_FULL,
                    rc == SQLITE_FULL ? "the disk is full" : "the disk cannot be written");
}

/* One alone, out of the reserve if need be. */
static bool alone(struct store *s, struct op *op)
{
    if (together(s, op))
        return true;
    if (!op->urgent || !s->reserve || !no_space(s->rc))
        return false;
    space_release(s);
    return together(s, op);
}

static void retry_all(struct store *s, struct op_list *done)
{
    while (s->retry.first) {
        struct op *rest = s->retry.first->next;
        s->retry.first->next = NULL;
        bool ok = alone(s, s->retry.first);
        s->retry.first->next = rest;
        if (!ok) {
            s->retry_at = uv_hrtime() + STORE_RETRY_MS * MS;
            return;
        }
        op_list_add(done, op_list_take(&s->retry));
    }
}

/* Critical ones keep their order among themselves: behind one that waits all wait. */
static void one_by_one(struct store *s, struct op_list *batch, struct op_list *done)
{
    struct op *op;
    while ((op = op_list_take(batch))) {
        if (op->critical) {
            op_list_add(&s->retry, op);
            if (s->retry.n == 1)
                retry_all(s, done);
            continue;
        }
        if (!alone(s, op))
            fail(s, op);
        op_list_add(done, op);
    }
}

static void run_batch(struct store *s, struct op_list *batch, struct op_list *done)
{
    if (!batch->first)
        return;
    if (!s->retry.first && together(s, batch->first))
        op_list_move(batch, done);
    else
        one_by_one(s, batch, done);
}

/* ---- what is done when there is time ---- */
static void sweep_step(struct store *s)
{
    bool more = false;
    s->sweep = false;
    s->sweep_at = uv_hrtime() + STORE_SWEEP_MS * MS;
    if (begin(s, true, false) && retention_sweep(s, &more) && commit(s))
        s->sweep = more;
    else
        roll_back(s);
}

static void idle_step(struct store *s)
{
    if (s->vacuum) {
        bool more = false;
        if (!retention_vacuum(s, &more))
            roll_back(s);
        s->vacuum = more;
    }
}

static void give_memory_back(struct store *s)
{
    s->dirty = false;
    (void)sqlite3_db_release_memory(s->db);
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* Nanoseconds until there is something to do of our own accord. */
static uint64_t next_due(const struct store *s)
{
    uint64_t now = uv_hrtime(), due = s->sweep_at;
    if (s->sweep || s->vacuum)
        return 0;
    if (s->retry.first && s->retry_at < due)
        due = s->retry_at;
    if (!s->reserve && s->retake_at < due)
        due = s->retake_at;
    return due > now ? due - now : 0;
}

static void work(struct store *s, struct op_list *batch, struct op_list *done, bool closing)
{
    uint64_t now = uv_hrtime();
    bool idle = !batch->first && !closing;
    if (s->retry.first && now >= s->retry_at)
        retry_all(s, done);
    run_batch(s, batch, done);
    if (!s->reserve && !s->retry.first && now >= s->retake_at)
        space_take(s);
    if (closing)
        return;
    if (now >= s->sweep_at && idle && s->dirty)
        give_memory_back(s);
    if (now >= s->sweep_at || (s->sweep && idle))
        sweep_step(s);
    else if (idle)
        idle_step(s);
}

/* ---- the queue ---- */
static size_t reply_size(const struct op *op)
{
    return op->kind == OP_LIST ? STORE_LIST_BYTES : op->max;
}

/* Waits up to `ns` for operations and takes a batch of them; *closing as it stands. */
static void take_batch(struct store *s, uint64_t ns, struct op_list *batch, bool *closing)
{
    size_t replies = 0;
    uint64_t until = uv_hrtime() + ns;
    uv_mutex_lock(&s->lock);
    for (;;) {
        uint64_t now = uv_hrtime();
        bool ready = s->queue.first && s->replies <= STORE_REPLIES;
        if (ready || now >= until || (s->closing && !s->queue.first))
            break;
        (void)uv_cond_timedwait(&s->wake, &s->lock, until - now);
    }
    while (s->queue.first && batch->n < STORE_BATCH && s->replies <= STORE_REPLIES &&
           replies < STORE_REPLIES) {
        replies += reply_size(s->queue.first);
        op_list_add(batch, op_list_take(&s->queue));
    }
    *closing = s->closing;
    uv_mutex_unlock(&s->lock);
}

static void hand_over(struct store *s, struct op_list *done)
{
    size_t replies = 0;
    if (!done->first)
        return;
    for (struct op *op = done->first; op; op = op->next)
        replies += op->cost;
    uv_mutex_lock(&s->lock);
    op_list_move(done, &s->done);
    s->replies += replies;
    uv_mutex_unlock(&s->lock);
    (void)uv_async_send(&s->async);
}

/* Going down: may the thread end? What has not landed within STORE_CLOSE_MS fails. */
static bool may_end(struct store *s, struct op_list *done)
{
    uint64_t now = uv_hrtime();
    if (!s->give_up_at)
        s->give_up_at = now + STORE_CLOSE_MS * MS;
    if (s->retry.first && now < s->give_up_at)
        return false;
    struct op *op;
    while ((op = op_list_take(&s->retry))) {
        fail(s, op);
        op_list_add(done, op);
    }
    return true;
}

void store_thread_main(void *arg)
{
    struct store *s = arg;
    uint64_t wait = 0;
    bool ended = false;
    while (!ended) {
        struct op_list batch, done;
        bool closing;
        op_list_init(&batch);
        op_list_init(&done);
        take_batch(s, wait, &batch, &closing);
        uv_mutex_lock(&s->db_lock);
        atomic_store(&s->since, uv_hrtime());
        bool last = closing && !batch.first;
        work(s, &batch, &done, closing);
        ended = last && may_end(s, &done);
        wait = next_due(s);
        atomic_store(&s->since, 0);
        uv_mutex_unlock(&s->db_lock);
        hand_over(s, &done);
    }
    uv_mutex_lock(&s->db_lock);
    store_db_close(s);
    uv_mutex_unlock(&s->db_lock);
    uv_mutex_lock(&s->lock);
    s->ended = true;
    uv_mutex_unlock(&s->lock);
    (void)uv_async_send(&s->async);
}
