/* Readers: each call gathers a batch of events, from memory or from an answer of the store, and
 * then emits it. Two steps, because of several progress events only the last is wanted, and because
 * what is emitted is borrowed from memory that must stand still meanwhile. */
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "jobs/hub_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Why gathering stopped. */
enum stop {
    STOP_NOT,
    STOP_FULL, /* the batch is */
    STOP_EDGE, /* nothing newer yet */
    STOP_ASK,  /* memory does not go back so far */
    STOP_END
};

struct batch {
    struct event ev[HUB_BATCH]; /* json NULL: left out */
    struct {
        const char *p;
        size_t n;
    } job[HUB_BATCH];
    size_t n, bytes, max;
    size_t progress; /* index + 1 of the latest progress event, 0: none */
    char gap[256];
    const struct block *at; /* where memory was read last */
};

/* ---- life ---- */

struct hub_reader *hub_reader_new(struct hub *h, const char *job, uint64_t from, unsigned kinds,
                                  void (*wake)(void *arg), void *arg, struct err *e)
{
    if (h->reader_count >= LIMIT_STREAMS) {
        (void)err_set(e, ERR_TOO_BUSY, "too many streams are open");
        return NULL;
    }
    size_t n = job ? strlen(job) : 0;
    struct hub_reader *r = mem_zalloc(sizeof *r + n + 1);
    if (!r) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    if (job)
        memcpy(r->job, job, n);
    r->h = h;
    r->all = job == NULL;
    r->pos = from;
    r->kinds = kinds;
    r->wake = wake;
    r->arg = arg;
    link_init(&r->in_hub);
    link_init(&r->of_job);
    link_init(&r->turn);
    link_init(&r->store);
    link_put(&h->readers, &r->in_hub);
    h->reader_count++;
    if (r->all && h->global_count++ == 0)
        hub_all_clear(h);
    if (r->all && from == UINT64_MAX)
        r->pos = hub_frontier(h);
    r->j = job ? hub_job_find(h, job) : NULL;
    if (r->j)
        link_put(&r->j->readers, &r->of_job);
    return r;
}

void hub_reader_detach(struct hub_reader *r)
{
    struct hub_job *j = r->j;
    link_drop(&r->of_job);
    r->j = NULL;
    if (j && r->waiting && !r->cooling && !r->read && link_empty(&r->store))
        hub_wake_one(r);
    if (j)
        hub_job_release(j);
}

static void release(struct hub_reader *r)
{
    struct hub *h = r->h;
    hub_fetch_cancel(r);
    mem_free(r);
    hub_release(h);
}

void hub_reader_free(struct hub_reader *r)
{
    if (!r)
        return;
    struct hub *h = r->h;
    if (h->waking == r)
        h->waking = NULL;
    r->waiting = false;
    hub_reader_detach(r);
    link_drop(&r->in_hub);
    link_drop(&r->turn);
    h->reader_count--;
    if (r->all && --h->global_count == 0)
        hub_all_clear(h);
    if (r->emitting)
        r->dead = true; /* hub_reader_next still holds it */
    else
        release(r);
}

uint64_t hub_reader_position(const struct hub_reader *r)
{
    return r->pos;
}

size_t hub_readers(const struct hub *h)
{
    return h->reader_count;
}

/* ---- gathering ---- */

static bool full(const struct batch *b)
{
    return b->n == HUB_BATCH || (b->n > 0 && b->bytes >= b->max);
}

/* The status that says how a job ended is shown whatever kinds were asked for. */
static bool is_final(const struct hub_reader *r, const struct event *ev)
{
    if (ev->kind != EVENT_STATUS)
        return false;
    if (r->j && ev->id == r->j->final_id)
        return true;
    json_t *o = json_parse(ev->json, ev->json_len, NULL);
    const char *line = json_get_str(o, "line", "");
    json_t *status = json_parse(line, strlen(line), NULL);
    const char *word = json_get_str(status, "event", "");
    bool final = strcmp(word, "success") == 0 || strcmp(word, "fail") == 0;
    json_decref(status);
    json_decref(o);
    return final;
}

static void put(struct batch *b, const struct event *ev, const char *job, size_t n)
{
    b->ev[b->n] = *ev;
    b->job[b->n].p = job;
    b->job[b->n].n = n;
    b->n++;
    b->bytes += ev->json_len;
}

static void take(struct hub_reader *r, struct batch *b, const struct event *ev, const char *job,
                 size_t n)
{
    if (!(r->kinds & EVENT_MASK(ev->kind)) && !is_final(r, ev))
        return;
    if (ev->kind == EVENT_PROGRESS) {
        size_t last = b->progress;
        if (last > 0 && b->job[last - 1].n == n && memcmp(b->job[last - 1].p, job, n) == 0) {
            b->bytes -= b->ev[last - 1].json_len;
            b->ev[last - 1].json = NULL;
        }
        b->progress = b->n + 1;
    }
    put(b, ev, job, n);
}

/* Ids from pos up to `next` are missing. False when that must wait for a batch of its own. */
static bool pass_gap(struct hub_reader *r, struct batch *b, uint64_t next)
{
    uint64_t from = r->pos, to = next - 1;
    if (r->kinds & EVENT_MASK(EVENT_GAP)) {
        if (b->n > 0)
            return false;
        struct timespec t;
        (void)clock_gettime(CLOCK_REALTIME, &t);
        int n = snprintf(b->gap, sizeof b->gap,
                         "{\"id\":%" PRIu64 ",\"t\":%lld.%03ld,\"kind\":\"gap\",\"line\":"
                         "\"events %" PRIu64 " to %" PRIu64
                         " are missing\",\"data\":{\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}}",
                         to, (long long)t.tv_sec, t.tv_nsec / 1000000, from, to, from, to);
        struct event ev = {
            .kind = EVENT_GAP, .id = to, .json = b->gap, .json_len = n > 0 ? (size_t)n : 0};
        put(b, &ev, r->job, strlen(r->job));
    }
    r->pos = next;
    return true;
}

/* Takes the first record of the store's answer. */
static enum stop from_text(struct hub_reader *r, struct batch *b)
{
    const char *p = r->text, *job = r->job;
    size_t left = r->text_n, job_n = strlen(r->job), used = 0;
    if (r->all) {
        const char *blank = memchr(p, ' ', left);
        job = p;
        job_n = blank ? (size_t)(blank - p) : left;
        size_t skip = blank ? job_n + 1 : left;
        p += skip;
        left -= skip;
    }
    struct event ev;
    if (!event_parse(p, left, &ev, &used)) {
        r->text_n = 0; /* no use in asking for it again */
        r->empty = true;
        return STOP_NOT;
    }
    uint64_t at = r->all ? ev.gid : ev.id;
    if (at >= r->pos) {
        if (r->all ? at >= hub_frontier(r->h) : r->j && at >= hub_visible(r->j)) {
            r->text_n = 0;
            return STOP_EDGE;
        }
        if (!r->all && at > r->pos)
            return pass_gap(r, b, at) ? STOP_NOT : STOP_FULL;
        take(r, b, &ev, job, job_n);
        r->pos = at + 1;
    }
    r->text = p + used;
    r->text_n = left - used;
    return STOP_NOT;
}

/* The store has nothing from pos on. */
static enum stop from_nothing(struct hub_reader *r, struct batch *b)
{
    if (r->floor > r->pos) { /* up to there it would have been kept */
        if (r->all)
            r->pos = r->floor;
        else if (!pass_gap(r, b, r->floor))
            return STOP_FULL;
    } else if (!r->all && !r->j && !r->read_live) {
        return STOP_END;
    }
    r->empty = false;
    return STOP_NOT;
}

static enum stop from_all(struct hub_reader *r, struct batch *b)
{
    const struct hub *h = r->h;
    if (r->pos >= hub_frontier(h))
        return STOP_EDGE;
    if (r->pos < h->all_first)
        return STOP_ASK;
    const struct hub_entry *entry = &h->all[r->pos % HUB_ALL];
    struct event ev;
    if (block_get(entry->block, entry->id, &ev))
        take(r, b, &ev, entry->block->job, strlen(entry->block->job));
    r->pos++;
    return STOP_NOT;
}

static enum stop from_job(struct hub_reader *r, struct batch *b)
{
    const struct hub_job *j = r->j;
    if (!j)
        return STOP_ASK;
    if (r->pos >= hub_visible(j))
        return j->ended ? STOP_END : STOP_EDGE;
    if (r->pos < hub_memory_first(j))
        return STOP_ASK;
    struct event ev;
    if (!hub_memory_get(j, r->pos, &b->at, &ev) || ev.id >= hub_visible(j))
        return STOP_EDGE;
    if (ev.id > r->pos)
        return pass_gap(r, b, ev.id) ? STOP_NOT : STOP_FULL;
    take(r, b, &ev, j->id, strlen(j->id));
    r->pos++;
    return STOP_NOT;
}

static enum stop gather(struct hub_reader *r, struct batch *b)
{
    enum stop stop = STOP_NOT;
    while (stop == STOP_NOT) {
        if (full(b))
            stop = STOP_FULL;
        else if (r->text_n > 0)
            stop = from_text(r, b);
        else if (r->empty)
            stop = from_nothing(r, b);
        else
            stop = r->all ? from_all(r, b) : from_job(r, b);
    }
    return stop;
}

/* ---- handing out ---- */

static void emit_batch(struct hub_reader *r, const struct batch *b, hub_emit emit, void *arg)
{
    for (size_t i = 0; i < b->n && !r->dead; i++) {
        char job[sizeof((struct block *)0)->job];
        size_t n = b->job[i].n < sizeof job ? b->job[i].n : sizeof job - 1;
        memcpy(job, b->job[i].p, n);
        job[n] = '\0';
        if (b->ev[i].json)
            emit(arg, job, &b->ev[i]);
    }
}

static enum hub_next after(struct hub_reader *r, enum stop stop, size_t max)
{
    if (r->text_n == 0)
        hub_text_drop(r);
    switch (stop) {
    case STOP_NOT:
    case STOP_FULL:
        return HUB_MORE;
    case STOP_ASK:
        hub_fetch(r, max);
        hub_wait(r);
        return HUB_WAIT;
    case STOP_EDGE:
        hub_wait(r);
        return HUB_WAIT;
    case STOP_END:
        break;
    }
    r->finished = true;
    hub_reader_detach(r);
    return HUB_END;
}

enum hub_next hub_reader_next(struct hub_reader *r, size_t max, hub_emit emit, void *arg)
{
    assert(!r->emitting);
    r->waiting = false;
    if (!r->cooling)
        link_drop(&r->turn);
    if (r->finished || r->h->closing)
        return HUB_END;
    bool asked = r->read || (!link_empty(&r->store) && !r->kept.p);
    if (asked) {
        r->waiting = true;
        return HUB_WAIT;
    }
    r->retry = false;
    struct batch b;
    b.n = b.bytes = b.progress = 0;
    b.max = max;
    b.at = NULL;
    enum stop stop = gather(r, &b);
    r->emitting = true;
    emit_batch(r, &b, emit, arg);
    r->emitting = false;
    if (r->dead) {
        release(r);
        return HUB_END;
    }
    return after(r, stop, max);
}
