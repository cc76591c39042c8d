/* The HTTP parser on any bytes. The first byte says how many of the next ones are sizes of pieces;
 * the rest is the client's input, fed once whole and once in those pieces, over and over. Both ways
 * must come to the same end, and a head that was let through must keep its promises. */
#include "http/parse.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BODY = 300, MAX_CUTS = 15 };

struct cuts {
    const uint8_t *size;
    size_t n;
};

struct outcome {
    enum http_parse_step step; /* the last one */
    enum err_code code;
    size_t used, headers, body_n;
    uint64_t head_hash;
    char body[MAX_BODY];
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void mix(uint64_t *hash, const char *s)
{
    for (; *s; s++)
        *hash = (*hash ^ (unsigned char)*s) * 1099511628211ULL;
    *hash = (*hash ^ 0xff) * 1099511628211ULL;
}

static bool printable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
            return false;
    return true;
}

static void check_header(const struct http_header *h)
{
    size_t n = strlen(h->value);
    must(h->name[0] && printable(h->name) && !strpbrk(h->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ:"));
    must(!strpbrk(h->value, "\r\n"));
    must(n == 0 || (!strchr(" \t", h->value[0]) && !strchr(" \t", h->value[n - 1])));
}

static void check_head(const struct http_parse *p)
{
    size_t hosts = 0, lengths = 0, encodings = 0;
    must(p->header_count <= LIMIT_HEADERS && (p->minor == 0 || p->minor == 1));
    must(printable(p->target) && !strchr(p->target, '#') && printable(p->method_name));
    must(p->target[0] == '/' || (p->method == HTTP_M_OPTIONS && !strcmp(p->target, "*")));
    must(!strchr(p->path, '?') && strlen(p->target) <= LIMIT_TARGET);
    must(strncmp(p->target, p->path, strlen(p->path)) == 0);
    for (size_t i = 0; i < p->header_count; i++) {
        const struct http_header *h = &p->headers[i];
        check_header(h);
        hosts += !strcmp(h->name, "host");
        lengths += !strcmp(h->name, "content-length");
        encodings += !strcmp(h->name, "transfer-encoding");
    }
    must(hosts == 1 || (hosts == 0 && p->minor == 0));
    must(lengths + encodings <= 1);
    must(p->chunked == (encodings == 1));
    must(p->has_body == (p->chunked || p->content_length > 0));
}

static void take_head(const struct http_parse *p, struct outcome *o)
{
    check_head(p);
    o->headers = p->header_count;
    mix(&o->head_hash, p->method_name);
    mix(&o->head_hash, p->target);
    mix(&o->head_hash, p->query);
    for (size_t i = 0; i < p->header_count; i++) {
        mix(&o->head_hash, p->headers[i].name);
        mix(&o->head_hash, p->headers[i].value);
    }
}

/* Feeds one piece; false when the request is over. */
static bool feed(struct http_parse *p, const char *data, size_t n, struct outcome *o)
{
    for (size_t at = 0, used;;) {
        struct err e = {0};
        o->step = http_parse_feed(p, data + at, n - at, &used, &e);
        must(used <= n - at);
        at += used;
        o->used += used;
        o->code = e.code;
        if (o->step == PARSE_MORE) {
            must(at == n && e.code == ERR_NONE);
            return true;
        }
        if (o->step != PARSE_HEAD)
            return false;
        take_head(p, o);
        p->body_max = MAX_BODY;
    }
}

static struct outcome run(struct http_parse *p, const char *data, size_t n, const struct cuts *c)
{
    struct outcome o = {.step = PARSE_MORE, .head_hash = 14695981039346656037ULL};
    http_parse_reset(p);
    for (size_t at = 0, i = 0; at < n; i++) {
        size_t piece = c->n ? c->size[i % c->n] + (size_t)1 : n;
        piece = piece < n - at ? piece : n - at;
        if (!feed(p, data + at, piece, &o))
            break;
        at += piece;
    }
    if (o.step == PARSE_DONE) {
        must(p->body.n <= MAX_BODY);
        must(p->chunked || p->body.n == p->content_length);
        o.body_n = p->body.n;
        if (p->body.n)
            memcpy(o.body, p->body.p, p->body.n);
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct cuts none = {0}, cuts = {data + 1, data[0] & MAX_CUTS};
    if (cuts.n > n - 1)
        return 0;
    const char *input = (const char *)data + 1 + cuts.n;
    size_t len = n - 1 - cuts.n;
    static struct http_parse p;
    http_parse_init(&p);
    struct outcome whole = run(&p, input, len, &none), cut = run(&p, input, len, &cuts);
    must(whole.step == cut.step && whole.code == cut.code);
    must((whole.code != ERR_NONE) == (whole.step == PARSE_FAILED));
    must(whole.head_hash == cut.head_hash && whole.headers == cut.headers);
    must(whole.body_n == cut.body_n && memcmp(whole.body, cut.body, whole.body_n) == 0);
    must(whole.step != PARSE_DONE || whole.used == cut.used);
    http_parse_done(&p);
    return 0;
}
