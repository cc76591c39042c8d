/* The log is made anew from the events on each request: offset and limit count bytes of the text
 * as it is sent, so that `offset` is what a client has already. Of a running job it ends with the
 * last line there is. */
#include "api/handlers/log.h"

#include "api/feed.h"
#include "api/job_look.h"
#include "base/mem.h"

#include <string.h>

struct log_feed {
    struct feed feed;    /* first */
    uint64_t skip, left; /* bytes */
    uint64_t end;        /* the first id that does not belong to it */
};

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = (char)(p[i] | 0x20);
        v = v * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return v;
}

/* One escape, of those that base/jsonw writes; returns its length. */
static size_t unescape(const char *p, size_t n, struct buf *out)
{
    if (n < 2)
        return n;
    if (p[1] == 'u' && n >= 6) { /* only control characters are written so */
        (void)buf_putc(out, (char)hex4(p + 2));
        return 6;
    }
    const char *at = strchr("nrt", p[1]);
    (void)buf_putc(out, at && p[1] ? "\n\r\t"[at - "nrt"] : p[1]);
    return 2;
}

bool log_line(const struct event *ev, struct buf *out)
{
    static const char key[] = ",\"line\":\"";
    const char *p = memmem(ev->json, ev->json_len, key, sizeof key - 1);
    if (!p)
        return false;
    p += sizeof key - 1;
    const char *end = ev->json + ev->json_len;
    while (p < end && *p != '"') {
        const char *from = p;
        while (p < end && *p != '"' && *p != '\\')
            p++;
        (void)buf_append(out, from, (size_t)(p - from));
        if (p < end && *p == '\\')
            p += unescape(p, (size_t)(end - p), out);
    }
    return buf_putc(out, '\n');
}

/* Takes from what was appended since `before` what lies outside the wanted bytes. */
static void keep_wanted(struct log_feed *l, struct buf *out, size_t before)
{
    size_t n = out->n - before;
    size_t drop = l->skip < n ? (size_t)l->skip : n;
    l->skip -= drop;
    n -= drop;
    size_t keep = l->left < n ? (size_t)l->left : n;
    l->left -= keep;
    if (drop && keep)
        memmove(out->p + before, out->p + before + drop, keep);
    out->n = before + keep;
    if (out->p)
        out->p[out->n] = '\0';
}

static bool emit(struct feed *f, struct buf *out, const char *job, const struct event *ev)
{
    struct log_feed *l = (struct log_feed *)(void *)f;
    if (ev->id >= l->end)
        return false;
    size_t before = out->n;
    if (ev->kind == EVENT_GAP)
        (void)buf_puts(out, "[");
    if (ev->kind == EVENT_STDOUT || ev->kind == EVENT_STDERR || ev->kind == EVENT_GAP ||
        ev->kind == EVENT_BORG)
        (void)log_line(ev, out);
    if (ev->kind == EVENT_GAP && out->n > before + 1) {
        out->n--; /* the bracket goes before the line's end */
        (void)buf_puts(out, "]\n");
    }
    keep_wanted(l, out, before);
    return l->left > 0 && ev->id + 1 < l->end;
}

static const struct feed_ops ops = {emit, NULL, false};

static void found(struct call *c, const struct job_look *look)
{
    struct err e = {0};
    uint64_t end = UINT64_MAX;
    if (!look->ended && look->job)
        end = job_hub(look->job) ? hub_next_id(job_hub(look->job)) : 0;
    struct log_feed *l = end ? mem_zalloc(sizeof *l) : NULL;
    if (end == 0 || call_int(c, "limit", INT64_MAX) == 0) {
        mem_free(l);
        call_send(c, 200, "text/plain; charset=utf-8", NULL);
        return;
    }
    if (!l) {
        (void)err_set(&e, ERR_NO_MEMORY, "out of memory");
        call_error(c, &e);
        return;
    }
    l->feed.ops = &ops;
    l->skip = (uint64_t)call_int(c, "offset", 0);
    l->left = (uint64_t)call_int(c, "limit", INT64_MAX);
    l->end = end;
    struct feed_spec spec = {.job = look->id, .head = "", .type = "text/plain; charset=utf-8"};
    spec.kinds = EVENT_ALL_KINDS;
    feed_begin(c, &l->feed, &spec);
}

void jobs_log(struct call *c)
{
    job_look(c, call_str(c, "id", ""), found);
}
