/* What the parser refuses. */
#include "parse_kit.h"

#include "http/fields.h"
#include "http/strict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
    EXPECT(ERR_BAD_REQUEST, CHUNKED "\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "g\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "-1\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "0x5\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5 \r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5\r\nhello0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5\r\nhello\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5\r\nhelloX\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "0\r\n\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "0\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "0\r\nX: y\nZ: a\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "0\r\n folded\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "100000000\r\nhello\r\n0\r\n\r\n");
    EXPECT(ERR_BAD_REQUEST, CHUNKED "fffffffffffffffff\r\nhello\r\n0\r\n\r\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_length_of_the_body_is_never_ambiguous),
        cmocka_unit_test(any_transfer_encoding_but_chunked_is_refused),
        cmocka_unit_test(bytes_that_no_head_may_hold_are_refused),
        cmocka_unit_test(malformed_header_lines_are_refused),
        cmocka_unit_test(exactly_one_sound_host_is_asked_for),
        cmocka_unit_test(targets_that_are_no_path_are_refused),
        cmocka_unit_test(other_versions_get_their_own_answer),
        cmocka_unit_test(unknown_methods_and_expectations_are_named),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(the_steering_fields_are_judged_without_llhttp_too),
        cmocka_unit_test(chunk_framing_is_judged_without_llhttp_too),
        cmocka_unit_test(a_refused_head_stays_refused),
    };
    return cmocka_run_group_tests(tests, parser_start, parser_stop);
}
