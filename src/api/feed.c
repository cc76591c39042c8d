#include "api/feed.h"

#include "base/mem.h"
#include "http/http.h"
#include "http/sse.h"
#include "limits.h"

#include <string.h>
#include <sys/time.h>

struct feeds {
    uv_loop_t *loop;
    struct hub *hub;
    uint64_t heartbeat_ms;
    uv_timer_t beat; /* the oldest silence */
    uv_idle_t turn;  /* runs while feeds wait for their turn */
    struct feed *first, *last;
    struct feed *waiting_first, **waiting_last;
    struct buf scratch; /* one piece, for all */
    size_t count;
    unsigned handles;
    bool stopped;
};

static void on_beat(uv_timer_t *t);
static void on_turn(uv_idle_t *t);
static void pump(struct feed *f);

struct feeds *feeds_new(uv_loop_t *loop, struct hub *hub, unsigned heartbeat_s, struct err *e)
{
    struct feeds *fs = mem_zalloc(sizeof *fs);
    if (!fs) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    fs->loop = loop;
    fs->hub = hub;
    fs->heartbeat_ms = (uint64_t)heartbeat_s * 1000;
    fs->waiting_last = &fs->waiting_first;
    buf_init(&fs->scratch, FEED_SCRATCH);
    (void)uv_timer_init(loop, &fs->beat);
    (void)uv_idle_init(loop, &fs->turn);
    fs->beat.data = fs->turn.data = fs;
    fs->handles = 2;
    return fs;
}

size_t feeds_count(const struct feeds *fs)
{
    return fs->count;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct feeds *fs = h->data;
    if (--fs->handles)
        return;
    buf_done(&fs->scratch);
    mem_free(fs);
}

void feeds_close(struct feeds *fs)
{
    if (!fs)
        return;
    uv_close((uv_handle_t *)&fs->beat, on_handle_closed);
    uv_close((uv_handle_t *)&fs->turn, on_handle_closed);
}

/* ---- the lists ---- */

static void unlink_feed(struct feed *f)
{
    struct feeds *fs = f->fs;
    *(f->prev ? &f->prev->next : &fs->first) = f->next;
    *(f->next ? &f->next->prev : &fs->last) = f->prev;
}

static void append_feed(struct feed *f)
{
    struct feeds *fs = f->fs;
    f->prev = fs->last;
    f->next = NULL;
    *(fs->last ? &fs->last->next : &fs->first) = f;
    fs->last = f;
}

/* Starts the timer for the feed that has been silent longest. */
static void arm_beat(struct feeds *fs)
{
    if (!fs->first) {
        (void)uv_timer_stop(&fs->beat);
        return;
    }
    uint64_t due = fs->first->written_ms + fs->heartbeat_ms, now = uv_now(fs->loop);
    (void)uv_timer_start(&fs->beat, on_beat, due > now ? due - now : 1, 0);
}

static void touched(struct feed *f)
{
    f->written_ms = uv_now(f->fs->loop);
    unlink_feed(f);
    append_feed(f);
}

static void wait_turn(struct feed *f)
{
    struct feeds *fs = f->fs;
    if (f->waiting)
        return;
    f->waiting = true;
    f->waiting_next = NULL;
    *fs->waiting_last = f;
    fs->waiting_last = &f->waiting_next;
    (void)uv_idle_start(&fs->turn, on_turn);
}

static void unwait(struct feed *f)
{
    struct feeds *fs = f->fs;
    if (!f->waiting)
        return;
    struct feed **p = &fs->waiting_first;
    while (*p != f)
        p = &(*p)->waiting_next;
    *p = f->waiting_next;
    if (fs->waiting_last == &f->waiting_next)
        fs->waiting_last = p;
    f->waiting = false;
}

static void on_turn(uv_idle_t *t)
{
    struct feeds *fs = t->data;
    for (unsigned n = 0; fs->waiting_first && n < FEED_TURN; n++) {
        struct feed *f = fs->waiting_first;
        unwait(f);
        pump(f);
    }
    if (!fs->waiting_first)
        (void)uv_idle_stop(t);
}

/* ---- one feed ---- */

static void release(struct feed *f)
{
    if (f->stream) {
        unwait(f);
        unlink_feed(f);
        f->fs->count--;
    }
    if (f->rest)
        buf_done(f->rest);
    mem_free(f->rest);
    hub_reader_free(f->reader);
    mem_free(f);
}

static void cut(struct feed *f)
{
    struct http_stream *st = f->stream;
    release(f);
    http_stream_abort(st);
}

/* Keeps what the client has not taken; false when memory is gone. */
static bool keep_rest(struct feed *f, const char *p, size_t n)
{
    f->rest = mem_alloc(sizeof *f->rest);
    if (!f->rest)
        return false;
    buf_init(f->rest, 2 * (size_t)FEED_SCRATCH);
    return buf_append(f->rest, p, n);
}

/* Writes the n bytes in chunks until the client is slow; returns how many. */
static size_t write_some(struct feed *f, const char *p, size_t n)
{
    size_t at = 0;
    while (at < n && !f->blocked) {
        size_t piece = n - at < LIMIT_STREAM_CHUNK ? n - at : LIMIT_STREAM_CHUNK;
        f->blocked = !http_stream_write(f->stream, p + at, piece);
        at += piece;
    }
    touched(f);
    return at;
}

/* Sends what is in the scratch buffer. False: the feed is no more. */
static bool write_scratch(struct feed *f)
{
    struct buf *b = &f->fs->scratch;
    bool ok = !b->failed;
    if (ok && b->n && f->rest) {
        ok = buf_append(f->rest, b->p, b->n);
    } else if (ok && b->n) {
        size_t done = write_some(f, b->p, b->n);
        ok = done == b->n || keep_rest(f, b->p + done, b->n - done);
    }
    if (b->cap > FEED_SCRATCH_KEEP)
        buf_done(b);
    if (!ok) /* better a cut stream than one with a hole */
        cut(f);
    return ok;
}

static void finish(struct feed *f)
{
    struct http_stream *st = f->stream;
    struct buf *b = &f->fs->scratch;
    buf_reset(b);
    if (f->ops->end && !f->ending)
        f->ops->end(f, b);
    f->ending = true;
    if (!write_scratch(f) || f->rest)
        return; /* the rest goes first */
    release(f);
    http_stream_end(st);
}

static void on_event(void *arg, const char *job, const struct event *ev)
{
    struct feed *f = arg;
    if (!f->over)
        f->over = !f->ops->emit(f, &f->fs->scratch, job, ev);
}

static void pump(struct feed *f)
{
    for (int n = 0; n < FEED_PIECES && !f->blocked; n++) {
        buf_reset(&f->fs->scratch);
        enum hub_next next = hub_reader_next(f->reader, FEED_PIECE, on_event, f);
        if (!write_scratch(f))
            return;
        if (next == HUB_END || f->over) {
            finish(f);
            return;
        }
        if (next == HUB_WAIT)
            return;
    }
    if (!f->blocked)
        wait_turn(f);
}

static void on_wake(void *arg)
{
    struct feed *f = arg;
    if (!f->blocked && !f->waiting && !f->ending)
        pump(f);
}

/* What the client did not take before comes first. */
static void on_drain(void *arg)
{
    struct feed *f = arg;
    f->blocked = false;
    if (f->rest) {
        size_t done = write_some(f, f->rest->p, f->rest->n);
        buf_consume(f->rest, done);
        if (f->rest->n)
            return;
        buf_done(f->rest);
        mem_free(f->rest);
        f->rest = NULL;
    }
    if (f->ending)
        finish(f);
    else if (!f->blocked)
        pump(f);
}

static void on_close(void *arg)
{
    release(arg);
}

/* ---- heartbeats ---- */

static void beat(struct feed *f)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    char data[48];
    int n = snprintf(data, sizeof data, "{\"t\":%lld.%03d}", (long long)now.tv_sec,
                     (int)(now.tv_usec / 1000));
    buf_reset(&f->fs->scratch);
    (void)http_sse_event(&f->fs->scratch, NULL, "heartbeat", data, (size_t)n);
    (void)write_scratch(f);
}

static void on_beat(uv_timer_t *t)
{
    struct feeds *fs = t->data;
    uint64_t now = uv_now(fs->loop);
    for (int n = 0; n < FANOUT_PER_TURN; n++) {
        struct feed *f = fs->first;
        if (!f || now < f->written_ms + fs->heartbeat_ms)
            break;
        if (f->ops->heartbeat && !f->blocked)
            beat(f);
        else
            touched(f);
    }
    arm_beat(fs);
}

void feeds_stop(struct feeds *fs)
{
    fs->stopped = true;
    for (struct feed *f = fs->first, *next; f; f = next) {
        struct http_stream *st = f->stream;
        next = f->next;
        if (!f->endless)
            continue;
        release(f);
        http_stream_end(st);
    }
}

/* ---- beginning ---- */

void feed_begin(struct call *c, struct feed *f, const struct feed_spec *spec)
{
    static const struct http_stream_cb cb = {on_drain, on_close};
    struct feeds *fs = c->app->feeds;
    struct err e = {0};
    f->fs = fs;
    f->endless = spec->job == NULL;
    if (fs->stopped)
        (void)err_set(&e, ERR_DRAINING, "the daemon is going down");
    else
        f->reader = hub_reader_new(fs->hub, spec->job, spec->from, spec->kinds, on_wake, f, &e);
    if (!f->reader) {
        release(f);
        call_error(c, &e);
        return;
    }
    f->stream = call_stream(c, 200, spec->type, &cb, f);
    if (!f->stream) { /* HEAD, or the client has gone */
        release(f);
        return;
    }
    append_feed(f);
    fs->count++;
    f->written_ms = uv_now(fs->loop);
    buf_reset(&fs->scratch);
    (void)buf_puts(&fs->scratch, spec->head);
    if (!write_scratch(f))
        return;
    if (fs->first == f || !uv_is_active((uv_handle_t *)&fs->beat))
        arm_beat(fs);
    pump(f);
}
