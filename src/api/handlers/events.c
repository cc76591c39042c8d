/* Server-Sent Events: each event of a job as a frame with its id, so that a client
 * that comes back with Last-Event-ID misses nothing and sees nothing twice. */
#include "api/handlers/events.h"

#include "api/feed.h"
#include "api/job_look.h"
#include "base/mem.h"
#include "http/http.h"
#include "http/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 2000 };

struct sse {
    struct feed feed; /* first */
    uint64_t last_id;
};

static bool emit_one(struct feed *f, struct buf *out, const char *job, const struct event *ev)
{
    struct sse *s = (struct sse *)(void *)f;
    s->last_id = ev->id;
    (void)http_sse_event_id(out, ev->id, event_kind_name(ev->kind), ev->json, ev->json_len);
    return true;
}

/* The last id once more, alone: it is remembered even by clients that drop the event before it. */
static void end_one(struct feed *f, struct buf *out)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)((struct sse *)(void *)f)->last_id);
    (void)http_sse_id(out, id);
}

/* Of all jobs: the id is the global one, and each event says whose it is. */
static bool emit_all(struct feed *f, struct buf *out, const char *job, const struct event *ev)
{
    if (ev->gid) {
        (void)buf_puts(out, "id: ");
        (void)buf_u64(out, ev->gid);
        (void)buf_putc(out, '\n');
    }
    (void)buf_printf(out, "event: %s\ndata: {\"job_id\":\"%s\",", event_kind_name(ev->kind), job);
    (void)buf_append(out, ev->json + 1, ev->json_len - 1);
    (void)buf_append(out, "\n\n", 2);
    return true;
}

static const struct feed_ops one_job = {emit_one, end_one, true};
static const struct feed_ops all_jobs = {emit_all, NULL, true};

/* Of what kinds, and from where on: Last-Event-ID says what was seen, `cursor` what is to come
 * first. */
static bool start_at(const struct call *c, uint64_t *from, bool *resumed, unsigned *kinds,
                     struct err *e)
{
    const char *list = call_str(c, "kinds", NULL), *last = http_header(c->req, "last-event-id");
    *kinds = EVENT_DEFAULT_KINDS;
    if (list && !event_kinds_parse(list, kinds, e))
        return false;
    *resumed = last && *last;
    if (!*resumed) {
        *from = (uint64_t)call_int(c, "cursor", 0);
        return true;
    }
    char *end;
    errno = 0;
    *from = strtoull(last, &end, 10);
    if (*last < '0' || *last > '9' || *end || errno || *from >= INT64_MAX)
        return err_field(e, ERR_BAD_REQUEST, "Last-Event-ID", "must be the id of an event");
    *from += 1;
    return true;
}

static void begin(struct call *c, const char *job, uint64_t from, unsigned kinds)
{
    struct sse *s = mem_zalloc(sizeof *s);
    struct err e = {0};
    char head[32];
    if (!s) {
        (void)err_set(&e, ERR_NO_MEMORY, "out of memory");
        call_error(c, &e);
        return;
    }
    s->feed.ops = job ? &one_job : &all_jobs;
    s->last_id = from ? from - 1 : 0;
    (void)snprintf(head, sizeof head, "retry: %d\n\n", RETRY_MS);
    struct feed_spec spec = {.job = job, .from = from, .kinds = kinds, .head = head};
    spec.type = "text/event-stream; charset=utf-8";
    http_add_header(c->req, "X-Accel-Buffering", "no");
    feed_begin(c, &s->feed, &spec);
}

static void found(struct call *c, const struct job_look *look)
{
    struct err e = {0};
    uint64_t from;
    bool resumed;
    unsigned kinds;
    if (!start_at(c, &from, &resumed, &kinds, &e)) {
        call_error(c, &e);
        return;
    }
    /* The terminal status is always the last event of an ended job. */
    if (resumed && look->ended && from > look->last_event) {
        call_send(c, 204, NULL, NULL);
        return;
    }
    begin(c, look->id, from, kinds);
}

static void stream_all(struct call *c)
{
    struct err e = {0};
    uint64_t from;
    bool resumed;
    unsigned kinds;
    if (!start_at(c, &from, &resumed, &kinds, &e)) {
        call_error(c, &e);
        return;
    }
    bool live = !resumed && !call_has(c, "cursor");
    begin(c, NULL, live ? UINT64_MAX : from, kinds);
}

void events_stream(struct call *c)
{
    const char *job = call_str(c, "job_id", NULL);
    if (job)
        job_look(c, job, found);
    else
        stream_all(c);
}
