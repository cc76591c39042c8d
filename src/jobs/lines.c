#include "jobs/lines.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

enum {
    /* U+FFFD for a byte, or *** for a needle of one byte */
    GROWTH = 3,
    MARK_MAX = 64,
};
#define REPLACEMENT "\xEF\xBF\xBD"

/* What the bytes since the last \n came to, so far as a following \n wants to know. */
enum after_cr {
    CR_NONE,  /* no \r yet */
    CR_EMPTY, /* \r, but nothing to be seen before it: \n makes an empty line */
    CR_SHOWN, /* the text before \r was passed on: \n only ends it */
    CR_HELD,  /* it waits in `held`: \n passes it on */
};

struct lines {
    const struct redact *redact;
    void (*line)(void *arg, const char *text, size_t n);
    void *arg;
    struct buf part;      /* bytes of a line whose end has not come, up to LIMIT_LINE */
    size_t part_dropped;  /* its bytes past that */
    struct buf mask, out; /* scratch: after masking, after cleaning … */
    struct buf cut;       /* … and with the mark of a cut */
    struct buf held;      /* the latest redraw that was not passed on */
    enum after_cr after_cr;
    bool redrawn; /* a redraw was passed on, at: */
    uint64_t redrawn_ms;
    bool redrawn_before; /* the same before the latest one, should it prove to be a line */
    uint64_t redrawn_before_ms;
};

struct lines *lines_new(const struct redact *redact,
                        void (*line)(void *arg, const char *text, size_t n), void *arg)
{
    struct lines *l = mem_zalloc(sizeof *l);
    if (!l)
        return NULL;
    l->redact = redact;
    l->line = line;
    l->arg = arg;
    buf_init(&l->part, LIMIT_LINE);
    buf_init(&l->mask, LIMIT_LINE * GROWTH * GROWTH);
    buf_init(&l->out, LIMIT_LINE * GROWTH * GROWTH);
    buf_init(&l->cut, LIMIT_LINE_SHOWN + MARK_MAX);
    buf_init(&l->held, LIMIT_LINE_SHOWN + MARK_MAX);
    return l;
}

void lines_free(struct lines *l)
{
    if (!l)
        return;
    buf_wipe(&l->part); /* raw output may hold a secret */
    buf_wipe(&l->mask);
    buf_wipe(&l->out); /* a secret with an escape in it, before its second mask */
    buf_done(&l->cut);
    buf_done(&l->held);
    mem_free(l);
}

/* ---- making bytes fit to be seen ---- */

/* Only printable ASCII? Eight bytes at a time: the usual line is looked at once and not copied. */
static bool plain(const char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, 8);
        if ((x | (x + ones) | (x - ones * 0x20)) & high)
            return false;
    }
    for (; i < n; i++)
        if (p[i] < 0x20 || p[i] == 0x7F)
            return false;
    return true;
}

static bool between(unsigned char c, unsigned low, unsigned high)
{
    return c >= low && c <= high;
}

/* Length of the sequence that begins with the ESC at s[0] (ECMA-48). */
static size_t escape_length(const unsigned char *s, size_t n)
{
    if (n < 2)
        return 1;
    size_t i = 2;
    if (s[1] == '[') { /* CSI: parameters, intermediates, a final byte */
        while (i < n && between(s[i], 0x20, 0x3F))
            i++;
        return i < n && between(s[i], 0x40, 0x7E) ? i + 1 : i;
    }
    if (memchr("]PX^_", s[1], 5)) { /* OSC and other strings: up to BEL or ST */
        for (; i < n; i++) {
            if (s[i] == 0x07)
                return i + 1;
            if (s[i] == 0x1B && i + 1 < n && s[i + 1] == '\\')
                return i + 2;
        }
        return 2; /* without an end on this line it is no string: its text stays */
    }
    if (between(s[1], 0x20, 0x2F)) { /* ESC ( B and the like */
        while (i < n && between(s[i], 0x20, 0x2F))
            i++;
        return i < n && between(s[i], 0x30, 0x7E) ? i + 1 : i;
    }
    return between(s[1], 0x30, 0x7E) ? 2 : 1;
}

static void clean(const char *p, size_t n, struct buf *out)
{
    const unsigned char *s = (const unsigned char *)p;
    for (size_t i = 0; i < n;) {
        size_t from = i;
        while (i < n && (between(s[i], 0x20, 0x7E) || s[i] == '\t'))
            i++;
        (void)buf_append(out, p + from, i - from);
        if (i == n)
            return;
        if (s[i] == 0x1B) {
            i += escape_length(s + i, n - i);
            continue;
        }
        size_t k = utf8_char(s + i, n - i);
        bool control = k == 1 || (k == 2 && s[i] == 0xC2 && s[i + 1] < 0xA0);
        if (k == 0 || control)
            (void)buf_append(out, REPLACEMENT, 3);
        else
            (void)buf_append(out, p + i, k);
        i += k ? k : 1;
    }
}

/* A piece of text and what was left away after it. */
struct piece {
    const char *p;
    size_t n, dropped;
};

static void masked(struct lines *l, struct piece *x)
{
    if (redact_empty(l->redact))
        return;
    buf_reset(&l->mask);
    (void)redact_apply(l->redact, x->p, x->n, &l->mask);
    x->p = buf_str(&l->mask);
    x->n = l->mask.n;
    if (x->dropped == 0)
        return;
    /* The border may stand inside a secret, whose beginning no needle finds. */
    size_t tail = redact_longest(l->redact);
    tail = tail < x->n ? tail : x->n;
    x->dropped += tail;
    x->n -= tail;
}

/* Cuts what is too long, and says so. */
static struct piece marked(struct lines *l, struct piece x)
{
    if (x.n <= LIMIT_LINE_SHOWN && x.dropped == 0)
        return x;
    size_t keep = utf8_cut(x.p, x.n, LIMIT_LINE_SHOWN);
    buf_reset(&l->cut);
    (void)buf_append(&l->cut, x.p, keep);
    (void)buf_printf(&l->cut, " \xE2\x80\xA6[cut %zu bytes]", x.n - keep + x.dropped);
    return (struct piece){.p = buf_str(&l->cut), .n = l->cut.n};
}

static void cleaned(struct lines *l, struct piece *x)
{
    buf_reset(&l->out);
    clean(x->p, x->n, &l->out);
    x->p = buf_str(&l->out);
    x->n = l->out.n;
}

/* What of the raw line a client sees; borrowed until the next call. Masked before the escapes go,
 * because secrets are bytes, and after, because an escape may stand between their bytes. */
static struct piece shown(struct lines *l, const char *p, size_t n, size_t dropped)
{
    static const char no_memory[] = "[line not shown: no memory]";
    struct piece x = {p, n, dropped};
    bool is_plain = plain(p, n);
    masked(l, &x);
    if (!is_plain) {
        cleaned(l, &x);
        masked(l, &x);
        if (!utf8_valid(x.p, x.n)) /* a mask or the drop went through a character */
            cleaned(l, &x);
    }
    if (l->mask.failed || l->out.failed) {
        buf_reset(&l->mask);
        buf_reset(&l->out);
        x = (struct piece){.p = no_memory, .n = sizeof no_memory - 1};
    }
    return marked(l, x);
}

/* ---- ends of lines ---- */

static void pass(struct lines *l, struct piece x)
{
    l->line(l->arg, x.p, x.n);
}

static void pass_held(struct lines *l)
{
    if (l->held.n > 0)
        l->line(l->arg, l->held.p, l->held.n);
    buf_reset(&l->held);
}

/* \n, or the end of the pipe behind some text. */
static void line_ends(struct lines *l, const char *p, size_t n, size_t dropped)
{
    enum after_cr after_cr = l->after_cr;
    l->after_cr = CR_NONE;
    if (n > 0 || after_cr == CR_NONE || after_cr == CR_EMPTY) {
        pass_held(l);
        pass(l, shown(l, p, n, dropped));
        return;
    }
    if (after_cr == CR_HELD) {
        pass_held(l);
        return;
    }
    l->redrawn = l->redrawn_before; /* \r\n: what was passed on was a line, no redraw */
    l->redrawn_ms = l->redrawn_before_ms;
}

static bool blank(struct piece x)
{
    for (size_t i = 0; i < x.n; i++)
        if (x.p[i] != ' ' && x.p[i] != '\t')
            return false;
    return true;
}

/* A lone \r, so far as is known: the text is going to be overwritten. */
static void redraw_ends(struct lines *l, const char *p, size_t n, size_t dropped, uint64_t now_ms)
{
    struct piece x = n > 0 ? shown(l, p, n, dropped) : (struct piece){.n = 0};
    if (blank(x)) { /* wiping a redraw away is none */
        if (l->after_cr == CR_NONE)
            l->after_cr = CR_EMPTY;
        return;
    }
    buf_reset(&l->held);
    if (l->redrawn && now_ms - l->redrawn_ms < PROGRESS_TEXT_MS) {
        l->after_cr = CR_HELD;
        (void)buf_append(&l->held, x.p, x.n);
        return;
    }
    l->after_cr = CR_SHOWN;
    l->redrawn_before = l->redrawn;
    l->redrawn_before_ms = l->redrawn_ms;
    l->redrawn = true;
    l->redrawn_ms = now_ms;
    pass(l, x);
}

/* ---- bytes in ---- */

static void keep_part(struct lines *l, const char *p, size_t n)
{
    size_t room = l->part_dropped > 0 ? 0 : LIMIT_LINE - l->part.n;
    size_t take = n < room ? n : room;
    if (!buf_append(&l->part, p, take)) {
        l->part.failed = false;
        take = 0;
    }
    l->part_dropped += n - take;
}

static void segment_ends(struct lines *l, const char *p, size_t n, bool cr, uint64_t now_ms)
{
    size_t dropped = n > LIMIT_LINE ? n - LIMIT_LINE : 0;
    bool joined = l->part.n > 0 || l->part_dropped > 0;
    if (joined) {
        keep_part(l, p, n);
        p = buf_str(&l->part);
        n = l->part.n;
        dropped = l->part_dropped;
        l->part_dropped = 0;
    } else {
        n -= dropped;
    }
    if (cr)
        redraw_ends(l, p, n, dropped, now_ms);
    else
        line_ends(l, p, n, dropped);
    if (joined)
        buf_reset(&l->part);
}

void lines_feed(struct lines *l, const char *p, size_t n, uint64_t now_ms)
{
    while (n > 0) {
        const char *lf = memchr(p, '\n', n), *cr;
        size_t len = lf ? (size_t)(lf - p) : n, used = lf ? len + 1 : n;
        while (len > 0 && (cr = memchr(p, '\r', len))) {
            size_t k = (size_t)(cr - p);
            segment_ends(l, p, k, true, now_ms);
            p += k + 1;
            len -= k + 1;
            used -= k + 1;
            n -= k + 1;
        }
        if (lf)
            segment_ends(l, p, len, false, now_ms);
        else
            keep_part(l, p, len);
        p += used;
        n -= used;
    }
}

void lines_end(struct lines *l)
{
    if (l->part.n > 0 || l->part_dropped > 0)
        segment_ends(l, "", 0, false, 0);
    else
        pass_held(l);
    l->after_cr = CR_NONE;
    l->redrawn = l->redrawn_before = false;
}
