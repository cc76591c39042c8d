/* Opening and closing, the queue, and the callbacks: the loop's side of the store. */
#include "jobs/store_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- operations ---- */

/* An operation with a copy of `in`. When memory is gone it is a spare one that only carries the
 * refusal; with those used up as well no promise could be kept. */
static struct op *op_new(struct store *s, enum op_kind kind, const struct store_job *in, void *arg)
{
    struct op *op = mem_zalloc(sizeof *op);
    if (op && (op->mem = row_copy(in, &op->in))) {
        op_init(op, kind, arg);
        return op;
    }
    mem_free(op);
    op = s->spares;
    if (!op)
        abort();
    s->spares = op->next;
    *op = (struct op){.spare = true};
    op_init(op, kind, arg);
    (void)op_no(op, ERR_NO_MEMORY, "memory is gone");
    return op;
}

static void op_free(struct store *s, struct op *op)
{
    op_done(op);
    if (!op->spare) {
        mem_free(op);
        return;
    }
    op->next = s->spares;
    s->spares = op;
}

static void submit(struct store *s, struct op *op)
{
    uv_mutex_lock(&s->lock);
    if (!op->failed && !op->urgent && s->waiting >= STORE_OPS)
        (void)op_no(op, ERR_TOO_BUSY, "too many operations wait for the store");
    bool refused = op->failed != ERR_NONE;
    s->waiting++;
    if (!refused && op->block)
        (void)atomic_fetch_add(&s->backlog, op->block->text.n);
    op_list_add(refused ? &s->done : &s->queue, op);
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
    if (refused)
        (void)uv_async_send(&s->async);
}

static void submit_write(struct store *s, struct op *op, store_done done)
{
    op->call.done = done;
    submit(s, op);
}

static const struct store_job nobody;

void store_job_create(struct store *s, const struct store_job *row, uint64_t mark, store_done done,
                      void *arg)
{
    struct op *op = op_new(s, OP_CREATE, row, arg);
    op->from = mark;
    submit_write(s, op, done);
}

void store_job_update(struct store *s, const struct store_job *row, bool durable, store_done done,
                      void *arg)
{
    struct op *op = op_new(s, OP_UPDATE, row, arg);
    op->durable = durable;
    submit_write(s, op, done);
}

void store_job_end(struct store *s, const struct store_job *row, struct block *b, store_done done,
                   void *arg)
{
    struct op *op = op_new(s, OP_END, row, arg);
    op->block = b && !op->failed ? block_ref(b) : NULL;
    submit_write(s, op, done);
}

void store_reserve(struct store *s, const char *job, uint64_t mark, store_done done, void *arg)
{
    struct op *op = op_new(s, OP_RESERVE, &(struct store_job){.id = job}, arg);
    op->from = mark;
    submit_write(s, op, done);
}

void store_reserve_gid(struct store *s, uint64_t mark, store_done done, void *arg)
{
    struct op *op = op_new(s, OP_RESERVE_GID, &nobody, arg);
    op->from = mark;
    submit_write(s, op, done);
}

void store_append(struct store *s, struct block *b, store_done done, void *arg)
{
    struct op *op = op_new(s, OP_APPEND, &nobody, arg);
    op->block = op->failed ? NULL : block_ref(b);
    submit_write(s, op, done);
}

void store_job_get(struct store *s, const char *id, store_got_job got, void *arg)
{
    struct op *op = op_new(s, OP_GET, &(struct store_job){.id = id}, arg);
    op->call.job = got;
    submit(s, op);
}

void store_jobs_list(struct store *s, const struct store_filter *f, store_got_jobs got, void *arg)
{
    struct store_job in = {.state = f->state, .kind = f->kind, .label = f->label};
    struct op *op = op_new(s, OP_LIST, &in, arg);
    op->filter = *f;
    if (f->limit < 1 || f->limit > LIMIT_JOBS_LISTED)
        op->filter.limit = LIMIT_JOBS_LISTED;
    op->call.jobs = got;
    submit(s, op);
}

static void submit_events(struct store *s, struct op *op, uint64_t from, size_t max,
                          store_got_events got)
{
    op->from = from;
    op->max = max < LIMIT_REPLY ? max : LIMIT_REPLY;
    op->call.events = got;
    submit(s, op);
}

void store_events(struct store *s, const char *job, uint64_t from, size_t max, store_got_events got,
                  void *arg)
{
    struct op *op = op_new(s, OP_EVENTS, &(struct store_job){.id = job}, arg);
    submit_events(s, op, from, max, got);
}

void store_events_all(struct store *s, uint64_t from_gid, size_t max, store_got_events got,
                      void *arg)
{
    submit_events(s, op_new(s, OP_EVENTS_ALL, &nobody, arg), from_gid, max, got);
}

void store_key_get(struct store *s, const char *key, store_got_key got, void *arg)
{
    struct op *op = op_new(s, OP_KEY, &(struct store_job){.idem_key = key}, arg);
    op->call.key = got;
    submit(s, op);
}

/* ---- numbers ---- */
size_t store_backlog(const struct store *s)
{
    return atomic_load(&s->backlog);
}

const struct err *store_read_error(const struct store *s)
{
    return s->answering;
}

int64_t store_last_job_ms(struct store *s)
{
    uv_mutex_lock(&s->db_lock);
    int64_t ms = s->numbers.last_ms;
    uv_mutex_unlock(&s->db_lock);
    return ms;
}

uint64_t store_gid_mark(struct store *s)
{
    uv_mutex_lock(&s->db_lock);
    uint64_t mark = (uint64_t)s->numbers.gid;
    uv_mutex_unlock(&s->db_lock);
    return mark;
}

void store_health(const struct store *s, struct store_health *h)
{
    uint64_t since = atomic_load(&s->since), now = uv_hrtime();
    *h = (struct store_health){
        .full = atomic_load(&s->full),
        .commits = atomic_load(&s->commits),
        .failures = atomic_load(&s->failures),
        .stalled_ms = since && now > since ? (now - since) / 1000000 : 0,
        .backlog = atomic_load(&s->backlog),
    };
}

/* ---- closing ---- */

/* Frees what store_open has built so far; the thread and the async handle are gone. */
static void tear_down(struct store *s)
{
    store_db_close(s);
    space_close(s);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    uv_mutex_destroy(&s->lock);
    uv_mutex_destroy(&s->db_lock);
    uv_cond_destroy(&s->wake);
    mem_free(s->dir);
    mem_free(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct store *s = handle->data;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;
    tear_down(s);
    if (closed)
        closed(arg);
}

static void on_answers(uv_async_t *async)
{
    struct store *s = async->data;
    struct op_list due;
    op_list_init(&due);
    uv_mutex_lock(&s->lock);
    op_list_move(&s->done, &due);
    bool ended = s->ended;
    uv_mutex_unlock(&s->lock);
    size_t n = 0, replies = 0;
    struct op *op;
    while ((op = op_list_take(&due))) {
        replies += op->cost;
        n++;
        if (op->block)
            (void)atomic_fetch_sub(&s->backlog, op->block->text.n);
        op_answer(s, op);
        op_free(s, op);
    }
    uv_mutex_lock(&s->lock);
    s->waiting -= n;
    s->replies -= replies;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
    if (!ended)
        return;
    (void)uv_thread_join(&s->thread);
    uv_close((uv_handle_t *)async, on_closed);
}

void store_close(struct store *s, void (*closed)(void *arg), void *arg)
{
    s->closed = closed;
    s->closed_arg = arg;
    uv_mutex_lock(&s->lock);
    s->closing = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}

/* ---- opening ---- */
static bool lock_dir(struct store *s, struct err *e)
{
    const char *dir = s->set.dir;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", dir, strerror(errno));
    AUTO_FREE char *path = mem_printf("%s/lock", dir);
    if (!path)
        return err_set(e, ERR_NO_MEMORY, "memory is gone");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", path,
                       errno == EWOULDBLOCK ? "another process uses this directory"
                                            : strerror(errno));
    return true;
}

/* A disk that is full must not keep us from starting: the reserve is given back for that too. */
static bool open_db(struct store *s, struct err *e)
{
    AUTO_FREE char *path = mem_printf("%s/state.db", s->set.dir);
    if (!path)
        return err_set(e, ERR_NO_MEMORY, "memory is gone");
    bool ok = store_db_open(s, path, e);
    int rc = s->rc & 0xFF;
    if (!ok && s->reserve && (rc == SQLITE_FULL || rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN)) {
        space_release(s);
        ok = store_db_open(s, path, e);
    }
    if (ok)
        space_take(s);
    return ok;
}

static struct store *store_new(const struct store_settings *set, struct err *e)
{
    struct store *s = mem_zalloc(sizeof *s);
    char *dir = mem_strdup(set->dir);
    if (!s || !dir) {
        mem_free(s);
        mem_free(dir);
        (void)err_set(e, ERR_NO_MEMORY, "memory is gone");
        return NULL;
    }
    s->set = *set;
    s->set.dir = s->dir = dir;
    s->lock_fd = s->ballast_fd = -1;
    if (uv_mutex_init(&s->lock) || uv_mutex_init(&s->db_lock) || uv_cond_init(&s->wake))
        abort(); /* glibc has no way to fail here */
    op_list_init(&s->queue);
    op_list_init(&s->done);
    op_list_init(&s->retry);
    for (int k = 0; k < STORE_SPARE; k++) {
        s->spare[k].next = s->spares;
        s->spares = &s->spare[k];
    }
    return s;
}

struct store *store_open(uv_loop_t *loop, const struct store_settings *set, struct err *e)
{
    struct store *s = store_new(set, e);
    if (!s)
        return NULL;
    if (!lock_dir(s, e) || !space_open(s, e) || !open_db(s, e)) {
        tear_down(s);
        return NULL;
    }
    int rc = uv_async_init(loop, &s->async, on_answers);
    if (rc != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "the store's thread: %s", uv_strerror(rc));
        tear_down(s);
        return NULL;
    }
    s->async.data = s;
    rc = uv_thread_create(&s->thread, store_thread_main, s);
    if (rc != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "the store's thread: %s", uv_strerror(rc));
        uv_close((uv_handle_t *)&s->async, on_closed); /* freed in the loop's next turn */
        return NULL;
    }
    return s;
}
