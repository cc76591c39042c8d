/* What the parser takes, and how much of it. */
#include "parse_kit.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
    expect_long(CHUNKED "5;", "e", 200000, "\r\nhello\r\n0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(CHUNKED "5;", "e", LIMIT_CHUNK_EXT, "\r\nhello\r\n0\r\n\r\n", ERR_NONE);
    expect_long(CHUNKED "5;", "e", LIMIT_CHUNK_EXT + 1, "\r\nhello\r\n0\r\n\r\n",
                ERR_BODY_TOO_LARGE);
    expect_long(CHUNKED, "1;eeee\r\na\r\n", 500, "0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(CHUNKED "0\r\n", "x: y\r\n", 5000, "\r\n", ERR_BODY_TOO_LARGE);
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
    expect_long(CHUNKED "3e8\r\n", "x", 1000, "\r\n0\r\n\r\n", ERR_NONE);
    expect_long(CHUNKED "3e9\r\n", "x", 1001, "\r\n0\r\n\r\n", ERR_BODY_TOO_LARGE);
    expect_long(CHUNKED, "1\r\na\r\n", 1001, "0\r\n\r\n", ERR_BODY_TOO_LARGE);
    struct outcome o =
        parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 47, 47, 47, 0);
    assert_int_equal(o.code, ERR_BODY_TOO_LARGE);
    buf_done(&o.text);
    o = parse(CHUNKED "1\r\nx\r\n0\r\n\r\n", sizeof CHUNKED + 10, 1, 1, 0);
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
        cmocka_unit_test(every_size_has_its_limit),
        cmocka_unit_test(the_largest_head_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(the_body_has_the_limit_that_the_caller_set),
        cmocka_unit_test(an_unfinished_request_is_neither_whole_nor_refused),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(no_memory_is_an_error_and_not_a_crash),
        cmocka_unit_test(a_changed_byte_means_the_same_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, parser_start, parser_stop);
}
