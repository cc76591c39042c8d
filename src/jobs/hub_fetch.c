/* Asking the store for readers: HUB_READS questions at a time, the others wait in `want`.
 *
 * An answer is borrowed during the reader's wake, which usually takes all of it; what is left is
 * copied, HUB_KEPT bytes for all readers together, past which the oldest is dropped: its reader
 * asks again. */
#include "jobs/hub_internal.h"

enum { READ_MIN = 4096 };

static void answered(struct hub_read *q, const char *text, size_t n);

static void got_events(void *arg, const char *text, size_t n)
{
    answered(arg, text, n);
}

static struct hub_read *free_place(struct hub *h)
{
    for (int i = 0; i < HUB_READS; i++)
        if (!h->reads[i].busy)
            return &h->reads[i];
    return NULL;
}

static void ask(struct hub_reader *r, struct hub_read *q)
{
    struct hub *h = r->h;
    *q = (struct hub_read){.hub = h, .reader = r, .busy = true};
    r->read = q;
    r->read_live = r->j != NULL;
    h->ops++;
    if (r->all) { /* what is still open has older gids than what another job has sealed */
        hub_seal_all(h);
        r->floor = hub_frontier(h);
        store_events_all(h->store, r->pos, r->read_max, got_events, q);
        return;
    }
    r->floor = r->j ? hub_memory_first(r->j) : 0;
    store_events(h->store, r->job, r->pos, r->read_max, got_events, q);
}

void hub_fetch(struct hub_reader *r, size_t max)
{
    r->read_max = max < READ_MIN ? READ_MIN : max > LIMIT_STREAM_CHUNK ? LIMIT_STREAM_CHUNK : max;
    struct hub_read *q = free_place(r->h);
    if (q)
        ask(r, q);
    else
        link_put(&r->h->want, &r->store);
}

void hub_fetch_cancel(struct hub_reader *r)
{
    if (r->read)
        r->read->reader = NULL;
    r->read = NULL;
    hub_text_drop(r);
    link_drop(&r->store);
}

void hub_text_drop(struct hub_reader *r)
{
    r->text = NULL;
    r->text_n = 0;
    if (!r->kept.p)
        return;
    r->h->kept_bytes -= r->kept.cap;
    buf_done(&r->kept);
    link_drop(&r->store);
}

/* The rest of an answer survives the wake in memory of the reader's own. */
static void keep_rest(struct hub_reader *r)
{
    struct hub *h = r->h;
    if (r->text_n == 0 || r->kept.p)
        return;
    buf_init(&r->kept, r->text_n);
    if (!buf_append(&r->kept, r->text, r->text_n)) {
        buf_done(&r->kept);
        hub_text_drop(r);
        return;
    }
    r->text = r->kept.p;
    h->kept_bytes += r->kept.cap;
    link_put(&h->kept, &r->store);
    while (h->kept_bytes > HUB_KEPT)
        hub_text_drop(LINK_OF(h->kept.next, struct hub_reader, store));
}

static void next_question(struct hub *h, struct hub_read *q)
{
    if (link_empty(&h->want) || h->closing)
        return;
    struct hub_reader *r = LINK_OF(h->want.next, struct hub_reader, store);
    link_drop(&r->store);
    ask(r, q);
}

static void deliver(struct hub_reader *r, const char *text, size_t n)
{
    struct hub *h = r->h;
    r->text = text;
    r->text_n = n;
    r->empty = n == 0;
    if (!r->cooling)
        link_drop(&r->turn);
    r->waiting = false;
    h->waking = r;
    r->wake(r->arg);
    if (h->waking == r)
        keep_rest(r);
    h->waking = NULL;
}

static void answered(struct hub_read *q, const char *text, size_t n)
{
    struct hub *h = q->hub;
    struct hub_reader *r = q->reader;
    bool failed = store_read_error(h->store) != NULL;
    q->busy = false;
    q->reader = NULL;
    next_question(h, q);
    if (r) {
        r->read = NULL;
        r->retry = failed;
        if (failed && r->waiting)
            hub_wait(r);
        else if (!failed && !h->closing)
            deliver(r, text, n);
    }
    hub_op_done(h);
}
