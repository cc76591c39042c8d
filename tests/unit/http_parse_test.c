#include "http/parse.h"

#include "base/mem.h"
#include "http/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Everything that can be seen of a request, as text, so that two ways of feeding it compare. */
struct outcome {
    struct buf text;
    enum err_code code; /* ERR_NONE: the request is sound and whole */
    bool whole;
    size_t used;
};

static struct http_parse parser;

static int start(void **state)
{
    http_parse_init(&parser);
    return 0;
}

static int stop(void **state)
{
    http_parse_done(&parser);
    return 0;
}

static void describe_head(struct buf *b)
{
    const struct http_parse *p = &parser;
    (void)buf_printf(b, "%s|%s|%s|%s|1.%d|%d%d%d|%d\n", p->method_name, p->target, p->path,
                     p->query, p->minor, p->keep_alive, p->expect_continue, p->chunked,
                     (int)p->method);
    for (size_t i = 0; i < p->header_count; i++)
        (void)buf_printf(b, "%s=[%s]\n", p->headers[i].name, p->headers[i].value);
}

/* Feeds one piece; false when nothing more may be fed. */
static bool feed_piece(struct outcome *o, const char *p, size_t n, size_t body_max)
{
    struct err e = {0};
    for (size_t at = 0;;) {
        size_t used;
        enum http_parse_step step = http_parse_feed(&parser, p + at, n - at, &used, &e);
        assert_true(used <= n - at);
        at += used;
        o->used += used;
        switch (step) {
        case PARSE_MORE:
            assert_int_equal(at, n);
            return true;
        case PARSE_HEAD:
            describe_head(&o->text);
            parser.body_max = body_max;
            continue;
        case PARSE_DONE:
            (void)buf_append(&o->text, parser.body.n ? parser.body.p : "", parser.body.n);
            o->whole = true;
            return false;
        case PARSE_FAILED:
            assert_int_not_equal(e.code, ERR_NONE);
            assert_true(e.msg[0] != '\0');
            o->code = e.code;
            return false;
        }
    }
}

/* Feeds the n bytes cut at every multiple of `every`, the first cut at `first`. */
static struct outcome parse(const char *p, size_t n, size_t first, size_t every, size_t body_max)
{
    struct outcome o = {0};
    buf_init(&o.text, 1 << 20);
    http_parse_reset(&parser);
    size_t at = 0, piece = first;
    while (at < n) {
        if (piece > n - at)
            piece = n - at;
        if (!feed_piece(&o, p + at, piece, body_max))
            break;
        at += piece;
        piece = every;
    }
    return o;
}

static void same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->whole, b->whole);
    assert_int_equal(a->text.n, b->text.n);
    assert_memory_equal(buf_str(&a->text), buf_str(&b->text), a->text.n);
    if (a->whole)
        assert_int_equal(a->used, b->used);
}

/* The outcome of the whole in one piece, after it was seen to be the same for other cuts. */
static struct outcome parse_every_way(const char *p, size_t n, size_t body_max)
{
    struct outcome whole = parse(p, n, n, n, body_max);
    size_t stride = n > 2000 ? n / 97 : 1;
    for (size_t cut = 1; cut < n; cut += stride) {
        struct outcome o = parse(p, n, cut, n, body_max);
        same(&whole, &o);
        buf_done(&o.text);
    }
    for (size_t every = 1; every < 18; every++) {
        struct outcome o = parse(p, n, every, every, body_max);
        same(&whole, &o);
        buf_done(&o.text);
    }
    return whole;
}

static void expect(const char *request, size_t n, enum err_code code)
{
    struct outcome o = parse_every_way(request, n, 1000);
    if (o.code != code)
        print_error("%.60s: %s instead of %s\n", request, err_word(o.code), err_word(code));
    assert_int_equal(o.code, code);
    assert_int_equal(o.whole, code == ERR_NONE);
    buf_done(&o.text);
}

#define EXPECT(code, text) expect(text, sizeof(text) - 1, code)
#define H "Host: x\r\n"

static void a_request_is_read_in_all_its_parts(void **state)
{
    static const char r[] = "POST /a/b%20c?x=1&y=?z HTTP/1.1\r\nHOST: example:5000\r\nX-Empty:\r\n"
                            "X-Wide: \t two words \t \r\nContent-Length: 5\r\n\r\nhelloGET";
    struct outcome o = parse_every_way(r, sizeof r - 1, 1000);
    assert_int_equal(o.code, ERR_NONE);
    assert_string_equal(buf_str(&o.text),
                        "POST|/a/b%20c?x=1&y=?z|/a/b%20c|x=1&y=?z|1.1|100|2\n"
                        "host=[example:5000]\nx-empty=[]\nx-wide=[two words]\ncontent-length=[5]\n"
                        "hello");
    assert_int_equal(o.used, sizeof r - 1 - 3);
    buf_done(&o.text);
}

static void chunks_are_joined_and_trailers_dropped(void **state)
{
    static const char r[] = "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
                            "5;ext=\"v\"\r\nhello\r\n0A\r\n 123456789\r\n000\r\n"
                            "X-Trailer: a\r\nHost: evil\r\n\r\n";
    struct outcome o = parse_every_way(r, sizeof r - 1, 1000);
    assert_int_equal(o.code, ERR_NONE);
    assert_true(o.whole);
    assert_non_null(strstr(buf_str(&o.text), "]\nhello 123456789"));
    assert_null(strstr(buf_str(&o.text), "evil"));
    assert_int_equal(o.used, sizeof r - 1);
    buf_done(&o.text);
}

static void sound_requests_are_taken(void **state)
{
    EXPECT(ERR_NONE, "GET / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_NONE, "GET / HTTP/1.0\r\n\r\n");
    EXPECT(ERR_NONE, "\r\nGET / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_NONE, "OPTIONS * HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_NONE, "PATCH /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    EXPECT(ERR_NONE,
           "GET / HTTP/1.1\r\n" H "Connection: Upgrade, keep-alive\r\nUpgrade: h2c\r\n\r\n");
    EXPECT(ERR_NONE, "POST / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                     "Content-Length: 2\r\n\r\nab");
    EXPECT(ERR_NONE, "GET / HTTP/1.1\r\n" H "X: caf\xc3\xa9\r\n\r\n");
    EXPECT(ERR_NONE, "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n");
    EXPECT(ERR_NONE, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    EXPECT(ERR_NONE, "DELETE /jobs/a:b:1 HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    EXPECT(ERR_NONE, "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx");
}

static void the_length_of_the_body_is_never_ambiguous(void **state)
{
    EXPECT(ERR_BAD_REQUEST,
           "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd");
    EXPECT(ERR_BAD_REQUEST,
           "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H
                            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H
                            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H "Content-Length: 3 4\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc");
    EXPECT(ERR_BAD_REQUEST, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

/* Whether llhttp or our own look finds it first, it is refused: 400 or 501. */
static void expect_refused(const char *r, size_t n)
{
    struct outcome o = parse_every_way(r, n, 1000);
    if (o.code != ERR_BAD_REQUEST && o.code != ERR_NOT_IMPLEMENTED)
        print_error("%s: %s\n", r, err_word(o.code));
    assert_true(o.code == ERR_BAD_REQUEST || o.code == ERR_NOT_IMPLEMENTED);
    buf_done(&o.text);
}
#define REFUSED(text) expect_refused(text, sizeof(text) - 1)

static void any_transfer_encoding_but_chunked_is_refused(void **state)
{
    REFUSED("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n");
    REFUSED("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    REFUSED("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n");
    REFUSED("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    REFUSED("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n");
    REFUSED("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n0\r\n\r\n");
    REFUSED("POST / HTTP/1.1\r\n" H
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void bytes_that_no_head_may_hold_are_refused(void **state)
{
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\r\rb: c\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\rContent-Length: 3\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\nHost: x\n\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: y\r\n\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X\0Y: a\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "\nGET / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n");
}

static void malformed_header_lines_are_refused(void **state)
{
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\nHost : x\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X\t: x\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H ": x\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\r\n folded\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X: a\r\n\tfolded\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n Host: x\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "no colon\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "X(y): z\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H "caf\xc3\xa9: z\r\n\r\n");
}

static void exactly_one_sound_host_is_asked_for(void **state)
{
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\n" H H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.0\r\n" H H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\nHost: user@x\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n");
}

static void targets_that_are_no_path_are_refused(void **state)
{
    EXPECT(ERR_BAD_REQUEST, "GET http://x/ HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "CONNECT x:80 HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET x:80 HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET * HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /a#b HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /a b HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /a\tb HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /a\x01 HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /\0 HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET  / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /  HTTP/1.1\r\n" H "\r\n");
}

static void other_versions_get_their_own_answer(void **state)
{
    EXPECT(ERR_VERSION_UNSUPPORTED, "GET / HTTP/2.0\r\n" H "\r\n");
    EXPECT(ERR_VERSION_UNSUPPORTED, "GET / HTTP/2\r\n" H "\r\n");
    EXPECT(ERR_VERSION_UNSUPPORTED, "GET / HTTP/0.9\r\n" H "\r\n");
    EXPECT(ERR_VERSION_UNSUPPORTED, "GET / HTTP/1.2\r\n" H "\r\n");
    EXPECT(ERR_VERSION_UNSUPPORTED, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / http/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/1.1 \r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / ICE/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET /\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / HTTP/\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "GET / \r\n" H "\r\n");
}

static void unknown_methods_and_expectations_are_named(void **state)
{
    EXPECT(ERR_NOT_IMPLEMENTED, "BREW / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_NOT_IMPLEMENTED, "get / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_NOT_IMPLEMENTED, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "G(T / HTTP/1.1\r\n" H "\r\n");
    EXPECT(ERR_BAD_REQUEST, "\x16\x03\x01\x02");
    EXPECT(ERR_EXPECTATION_FAILED,
           "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx");
    EXPECT(ERR_EXPECTATION_FAILED, "GET / HTTP/1.1\r\n" H "Expect: \r\n\r\n");
}

static void malformed_chunks_are_refused(void **state)
{
#define C "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
    EXPECT(ERR_BAD_REQUEST, C "\r\n");
    EXPECT(ERR_BAD_REQUEST, C "g\r\n");
    EXPECT(ERR_BAD_REQUEST, C "-1\r\n");
    EXPECT(ERR_BAD_REQUEST, C "0x5\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5 \r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5\r\nhello0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5\r\nhello\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5\r\nhelloX\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5;a\nb\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "5;a\rb\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "0\r\n\n");
    EXPECT(ERR_BAD_REQUEST, C "0\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "0\r\nX: y\nZ: a\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "0\r\n folded\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "100000000\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, C "fffffffffffffffff\r\nhello\r\n0\r\n\r\n");
}

/* prefix, then n times the letter, then suffix */
static struct buf repeated(const char *prefix, const char *what, size_t n, const char *suffix)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    (void)buf_puts(&b, prefix);
    for (size_t i = 0; i < n; i++)
        (void)buf_puts(&b, what);
    (void)buf_puts(&b, suffix);
    assert_false(b.failed);
    return b;
}

static void expect_long(const char *prefix, const char *what, size_t n, const char *suffix,
                        enum err_code code)
{
    struct buf b = repeated(prefix, what, n, suffix);
    expect(b.p, b.n, code);
    buf_done(&b);
}

static void every_size_has_its_limit(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\n" H;
    expect_long("GET / HTTP/1.1\r\n" H "X: ", "a", 100000, "\r\n\r\n", ERR_HEAD_TOO_LARGE);
    expect_long(get, "a: b\r\n", 5000, "\r\n", ERR_HEAD_TOO_LARGE);
    expect_long(get, "a: b\r\n", LIMIT_HEADERS - 1, "\r\n", ERR_NONE);
    expect_long(get, "a: b\r\n", LIMIT_HEADERS, "\r\n", ERR_HEAD_TOO_LARGE);
    expect_long(get, "a", 100000, ": b\r\n\r\n", ERR_HEAD_TOO_LARGE);
    expect_long("GET /", "a", LIMIT_TARGET - 1, " HTTP/1.1\r\n" H "\r\n", ERR_NONE);
    expect_long("GET /?", "a", LIMIT_TARGET - 2, " HTTP/1.1\r\n" H "\r\n", ERR_NONE);
    expect_long("GET /", "a", LIMIT_TARGET, " HTTP/1.1\r\n" H "\r\n", ERR_URI_TOO_LONG);
    expect_long(C "5;", "e", 200000, "\r\nhello\r\n0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(C "5;", "e", LIMIT_CHUNK_EXT, "\r\nhello\r\n0\r\n\r\n", ERR_NONE);
    expect_long(C "5;", "e", LIMIT_CHUNK_EXT + 1, "\r\nhello\r\n0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(C, "1;eeee\r\na\r\n", 500, "0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(C "0\r\n", "x: y\r\n", 5000, "\r\n", ERR_BODY_TOO_LARGE);
    EXPECT(ERR_BODY_TOO_LARGE,
           "POST / HTTP/1.1\r\n" H "Content-Length: 9999999999999999999\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST,
           "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n");
}

static void the_largest_head_is_taken_and_one_byte_more_is_not(void **state)
{
    static const char start_text[] = "GET / HTTP/1.1\r\n" H "X: ";
    size_t fill = LIMIT_HEAD - (sizeof start_text - 1) - 4;
    expect_long(start_text, "a", fill, "\r\n\r\n", ERR_NONE);
    expect_long(start_text, "a", fill + 1, "\r\n\r\n", ERR_HEAD_TOO_LARGE);
}

static void the_body_has_the_limit_that_the_caller_set(void **state)
{
    expect_long("POST / HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n", "x", 1000, "", ERR_NONE);
    EXPECT(ERR_BODY_TOO_LARGE, "POST / HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n");
    expect_long(C "3e8\r\n", "x", 1000, "\r\n0\r\n\r\n", ERR_NONE);
    expect_long(C "3e9\r\n", "x", 1001, "\r\n0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(C, "1\r\na\r\n", 1001, "0\r\n\r\n", ERR_BODY_TOO_LARGE);
    struct outcome o =
        parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 47, 47, 47, 0);
    assert_int_equal(o.code, ERR_BODY_TOO_LARGE);
    buf_done(&o.text);
    o = parse(C "1\r\nx\r\n0\r\n\r\n", sizeof C + 10, 1, 1, 0);
    assert_int_equal(o.code, ERR_BODY_TOO_LARGE);
    buf_done(&o.text);
}

static void an_unfinished_request_is_neither_whole_nor_refused(void **state)
{
    static const char r[] = "POST /x HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc";
    for (size_t n = 1; n < sizeof r - 1; n++) {
        struct outcome o = parse(r, n, 1, 1, 1000);
        assert_int_equal(o.code, ERR_NONE);
        assert_false(o.whole);
        buf_done(&o.text);
    }
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", true},
        {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: x,  CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);
        struct outcome o = parse(rows[i].text, n, n, n, 0);
        assert_true(o.whole);
        assert_int_equal(parser.keep_alive, rows[i].keep);
        buf_done(&o.text);
    }
}

/* Fails the k-th allocation while the request is read; true when that made it fail. */
static bool fails_without_memory(const struct buf *r, unsigned long k)
{
    size_t used = 0, at = 0;
    struct err e = {0};
    enum http_parse_step step;
    http_parse_done(&parser);
    http_parse_init(&parser);
    (void)mem_fail_at(k);
    do {
        step = http_parse_feed(&parser, r->p + at, r->n - at, &used, &e);
        at += used;
    } while (step == PARSE_HEAD);
    (void)mem_fail_at(0);
    assert_true(step == PARSE_DONE || (step == PARSE_FAILED && e.code == ERR_NO_MEMORY));
    return step == PARSE_FAILED;
}

static void no_memory_is_an_error_and_not_a_crash(void **state)
{
    /* Long enough that both buffers have to grow. */
    struct buf r =
        repeated("POST /", "a", 1500, "?b HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 60; i++) {
        struct buf chunk = repeated("400\r\n", "x", 1024, "\r\n");
        (void)buf_append(&r, chunk.p, chunk.n);
        buf_done(&chunk);
    }
    (void)buf_puts(&r, "0\r\n\r\n");
    unsigned long k = 1;
    while (fails_without_memory(&r, k))
        k++;
    assert_true(k > 4);
    buf_done(&r);
}

/* What llhttp refuses first is refused by our own look as well: another version may be laxer. */
static void the_steering_fields_are_judged_without_llhttp_too(void **state)
{
    static const struct {
        const char *name[2], *value[2];
    } rows[] = {
        {{"content-length", "content-length"}, {"3", "3"}},
        {{"content-length", "accept"}, {"+3", "x"}},
        {{"content-length", "accept"}, {"3x", "x"}},
        {{"content-length", "accept"}, {"", "x"}},
        {{"content-length", "transfer-encoding"}, {"3", "chunked"}},
        {{"transfer-encoding", "transfer-encoding"}, {"chunked", "chunked"}},
        {{"transfer-encoding", "accept"}, {"gzip, chunked", "x"}},
        {{"expect", "expect"}, {"100-continue", "100-continue"}},
        {{"host", "accept"}, {"x", "x"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        http_parse_reset(&parser);
        parser.method_name = "POST";
        parser.target = "/";
        parser.minor = 1;
        parser.headers[0] = (struct http_header){"host", "x"};
        parser.headers[1] = (struct http_header){rows[i].name[0], rows[i].value[0]};
        parser.headers[2] = (struct http_header){rows[i].name[1], rows[i].value[1]};
        parser.header_count = 3;
        assert_false(http_fields_read(&parser, &e));
        assert_int_not_equal(e.code, ERR_NONE);
    }
}

static bool framing(const char *text)
{
    struct http_strict_chunks s = {0};
    struct err e = {0};
    return http_strict_chunks(&s, text, strlen(text), &e);
}

static void chunk_framing_is_judged_without_llhttp_too(void **state)
{
    assert_true(framing("5\r\n\r\naF;x=\"y\"\r\n\r\n0\r\nT: u\r\n\r\n"));
    static const char *const bad[] = {
        "\r\n",
        ";x\r\n",
        "x\r\n",
        "5 \r\n",
        "5\n",
        "5\rx",
        "5;\n",
        "5\r\nx",
        "5\r\n\rx",
        "123456789\r\n",
        "0\r\nx\n",
        "0\r\nx\rx",
        "0\r\n\tx\r\n\r\n",
        "0\r\n\r\nx",
        "0\r\n\rx",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(framing(bad[i]));
}

static void a_refused_head_stays_refused(void **state)
{
    struct http_strict_head s = {0};
    struct err e = {0};
    size_t used;
    assert_int_equal(http_strict_head(&s, "GET\n", 4, &used, &e), STRICT_BAD);
    assert_int_equal(http_strict_head(&s, "GET ", 4, &used, &e), STRICT_BAD);
}

/* Sound requests with one byte changed, removed or doubled: whatever comes of it, it comes of every
 * way to cut it, and nothing is read past its end. */
static void a_changed_byte_means_the_same_however_it_is_cut(void **state)
{
    static const char *const seeds[] = {
        "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
        "POST /create HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n{\"a\":true}\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: u\r\n\r\n",
    };
    static const unsigned char bytes[] = {0, '\r', '\n', ' ', '\t', ':', ',', '0', 'z', 0x7f, 0xff};
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        size_t n = strlen(seeds[s]);
        for (size_t i = 0; i < n * sizeof bytes; i++) {
            char r[256];
            size_t at = i / sizeof bytes;
            memcpy(r, seeds[s], n + 1);
            r[at] = (char)bytes[i % sizeof bytes];
            struct outcome whole = parse(r, n, n, n, 1000), single = parse(r, n, 1, 1, 1000),
                           cut = parse(r, n, at + 1, 3, 1000);
            same(&whole, &single);
            same(&whole, &cut);
            buf_done(&whole.text);
            buf_done(&single.text);
            buf_done(&cut.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_in_all_its_parts),
        cmocka_unit_test(chunks_are_joined_and_trailers_dropped),
        cmocka_unit_test(sound_requests_are_taken),
        cmocka_unit_test(the_length_of_the_body_is_never_ambiguous),
        cmocka_unit_test(any_transfer_encoding_but_chunked_is_refused),
        cmocka_unit_test(bytes_that_no_head_may_hold_are_refused),
        cmocka_unit_test(malformed_header_lines_are_refused),
        cmocka_unit_test(exactly_one_sound_host_is_asked_for),
        cmocka_unit_test(targets_that_are_no_path_are_refused),
        cmocka_unit_test(other_versions_get_their_own_answer),
        cmocka_unit_test(unknown_methods_and_expectations_are_named),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(every_size_has_its_limit),
        cmocka_unit_test(the_largest_head_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(the_body_has_the_limit_that_the_caller_set),
        cmocka_unit_test(an_unfinished_request_is_neither_whole_nor_refused),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(no_memory_is_an_error_and_not_a_crash),
        cmocka_unit_test(the_steering_fields_are_judged_without_llhttp_too),
        cmocka_unit_test(chunk_framing_is_judged_without_llhttp_too),
        cmocka_unit_test(a_refused_head_stays_refused),
        cmocka_unit_test(a_changed_byte_means_the_same_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
