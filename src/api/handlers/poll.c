#include "api/handlers/poll.h"

#include "api/job_look.h"
#include "base/mem.h"
#include "jobs/hub.h"
#include "limits.h"

#include <string.h>

enum {
    POLL_BYTES = 1024 * 1024, /* of events in one answer, but always one */
    POLL_READ_MS = 5000       /* what the store gets to find kept events */
};

struct poll {
    struct poll *next, **at; /* in app->polls */
    struct call *call;
    struct hub_reader *reader;
    char *job;
    uv_timer_t timer;
    struct buf items;
    size_t count;
    uint64_t cursor;
    uint64_t last_event; /* of a job that had ended before */
    bool was_ended, full, ended, waits;
};

struct polls {
    struct poll *first;
    bool stopped;
};

struct polls *polls_new(struct err *e)
{
    struct polls *ps = mem_zalloc(sizeof *ps);
    if (!ps)
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
    return ps;
}

void polls_free(struct polls *ps)
{
    mem_free(ps);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct poll *p = h->data;
    mem_free(p->job);
    mem_free(p);
}

/* Takes it apart; its call is still to be answered. */
static struct call *take_apart(struct poll *p)
{
    struct call *c = p->call;
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    http_on_gone(c->req, NULL, NULL);
    hub_reader_free(p->reader);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
    return c;
}

/* Is there nothing from this id on, for good? */
static bool nothing_follows(const struct poll *p, uint64_t cursor)
{
    const struct job *j = jobs_find(p->call->app->jobs, p->job);
    if (j && job_state_final(job_state(j)))
        return cursor > job_last_event(j);
    return !j && p->was_ended && cursor > p->last_event;
}

static void answer(struct poll *p)
{
    uint64_t cursor = p->full ? p->cursor : hub_reader_position(p->reader);
    bool ended = nothing_follows(p, cursor);
    struct buf items = p->items;
    struct call *c = take_apart(p);
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "items");
    jsonw_begin_array(&w);
    (void)buf_append(&b, items.p, items.n);
    jsonw_end_array(&w);
    jsonw_kint(&w, "cursor", (int64_t)cursor);
    jsonw_kbool(&w, "ended", ended);
    b.failed = b.failed || items.failed;
    buf_done(&items);
    call_reply(c, 200, &b, &w);
}

static void on_event(void *arg, const char *job, const struct event *ev)
{
    struct poll *p = arg;
    if (p->full)
        return;
    if (p->count == POLL_ITEMS || (p->count && p->items.n + ev->json_len > POLL_BYTES)) {
        p->full = true; /* it comes first in the next answer, a gap from its beginning */
        return;
    }
    p->cursor = ev->id + 1;
    if (p->count++)
        (void)buf_putc(&p->items, ',');
    (void)buf_append(&p->items, ev->json, ev->json_len);
}

/* Nothing more is there now; what is kept may still be on its way from the store. */
static bool at_live_edge(const struct poll *p)
{
    struct job *j = jobs_find(p->call->app->jobs, p->job);
    if (!j || job_state_final(job_state(j)))
        return false;
    struct hub_job *h = job_hub(j);
    return !h || hub_reader_position(p->reader) >= hub_next_id(h);
}

static void read_on(struct poll *p)
{
    enum hub_next next = HUB_MORE;
    while (next == HUB_MORE && !p->full && p->count < POLL_ITEMS)
        next = hub_reader_next(p->reader, FEED_PIECE, on_event, p);
    p->ended = next == HUB_END;
    if (p->count || p->ended || (!p->waits && at_live_edge(p)))
        answer(p);
}

static void on_wake(void *arg)
{
    read_on(arg);
}

static void on_timer(uv_timer_t *t)
{
    answer(t->data);
}

static void on_gone(void *arg)
{
    struct poll *p = arg;
    buf_done(&p->items);
    call_send(take_apart(p), 200, NULL, NULL);
}

void polls_stop(struct polls *ps)
{
    ps->stopped = true;
    while (ps->first)
        answer(ps->first);
}

static struct poll *poll_new(struct call *c, const char *job, struct err *e)
{
    struct polls *ps = c->app->polls;
    struct poll *p = mem_zalloc(sizeof *p);
    char *copy = mem_strdup(job);
    if (!p || !copy) {
        mem_free(p);
        mem_free(copy);
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    p->call = c;
    p->job = copy;
    buf_init(&p->items, LIMIT_REPLY);
    p->next = ps->first;
    p->at = &ps->first;
    if (p->next)
        p->next->at = &p->next;
    ps->first = p;
    (void)uv_timer_init(c->app->loop, &p->timer);
    p->timer.data = p;
    return p;
}

static void found(struct call *c, const struct job_look *look)
{
    struct err e = {0};
    unsigned kinds = EVENT_ALL_KINDS;
    const char *list = call_str(c, "kinds", NULL);
    uint64_t from = (uint64_t)call_int(c, "cursor", 0), wait = (uint64_t)call_int(c, "wait", 0);
    struct poll *p = NULL;
    if (list && !event_kinds_parse(list, &kinds, &e)) {
        call_error(c, &e);
        return;
    }
    if (!(p = poll_new(c, look->id, &e))) {
        call_error(c, &e);
        return;
    }
    p->reader = hub_reader_new(c->app->hub, look->id, from, kinds, on_wake, p, &e);
    if (!p->reader) {
        call_error(take_apart(p), &e);
        return;
    }
    p->was_ended = look->ended;
    p->last_event = look->last_event;
    p->waits = wait > 0 && !c->app->polls->stopped;
    uint64_t ms = p->waits ? wait * 1000 : POLL_READ_MS;
    (void)uv_timer_start(&p->timer, on_timer, ms, 0);
    http_on_gone(c->req, on_gone, p);
    read_on(p);
}

void events_poll(struct call *c)
{
    job_look(c, call_str(c, "job_id", ""), found);
}
