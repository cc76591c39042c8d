#include "jobs/lines.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What was passed on, each line followed by "|". */
static struct buf out;

static void collect(void *arg, const char *text, size_t n)
{
    assert_true(utf8_valid(text, n));
    assert_null(memchr(text, '\n', n));
    assert_true(buf_append(&out, text, n));
    assert_true(buf_putc(&out, '|'));
}

static int empty_out(void **state)
{
    buf_done(&out);
    buf_init(&out, 64 * 1024 * 1024);
    return 0;
}

static int done_out(void **state)
{
    buf_done(&out);
    return 0;
}

static void feed(struct lines *l, const char *text, uint64_t now_ms)
{
    lines_feed(l, text, strlen(text), now_ms);
}

/* Whole input at one time, to its end. */
static const char *through(const struct redact *r, const char *p, size_t n)
{
    buf_reset(&out);
    struct lines *l = lines_new(r, collect, NULL);
    assert_non_null(l);
    lines_feed(l, p, n, 5000);
    lines_end(l);
    lines_free(l);
    return buf_str(&out);
}

static void expect(const char *in, const char *expected)
{
    assert_string_equal(through(NULL, in, strlen(in)), expected);
}

static struct redact *with_secret(const char *text)
{
    struct redact *r = redact_new();
    struct secret *s = secret_new(text, strlen(text));
    assert_true(redact_add(r, s, true));
    secret_free(s);
    return r;
}

static void lines_end_at_newlines(void **state)
{
    expect("", "");
    expect("a\nb\n", "a|b|");
    expect("a\n\n\nb", "a|||b|");
    expect("a\r\nb\r\n\r\nc", "a|b||c|");
    expect("a\r\r\nb", "a|b|");
    expect("\r\n", "|");
    expect("\n", "|");
    expect("\r", "");
}

static void a_redraw_is_passed_on_once_in_a_while_and_the_last_always(void **state)
{
    struct lines *l = lines_new(NULL, collect, NULL);
    feed(l, "1%\r", 1000);
    assert_string_equal(buf_str(&out), "1%|");
    feed(l, "2%\r3%\r", 1500);
    assert_string_equal(buf_str(&out), "1%|");
    feed(l, "4%\r", 1000 + PROGRESS_TEXT_MS);
    assert_string_equal(buf_str(&out), "1%|4%|");
    feed(l, "5%\r6%\r", 2100);
    feed(l, "done\n", 2200);
    assert_string_equal(buf_str(&out), "1%|4%|6%|done|");
    feed(l, "7%\r8%", 2300);
    feed(l, "\r", 2300);
    lines_end(l);
    assert_string_equal(buf_str(&out), "1%|4%|6%|done|8%|");
    lines_free(l);
}

static void wiping_a_redraw_is_no_redraw(void **state)
{
    expect("90%\r    \rdone\n", "90%|done|");
    expect("90%\r\x1b[K\rdone\n", "90%|done|");
    expect("1%\r2%\r  \r\n", "1%|2%|");
    expect("\r1%\r2%\n", "1%|2%|");
}

static void carriage_return_newline_is_no_redraw_at_any_rate(void **state)
{
    struct lines *l = lines_new(NULL, collect, NULL);
    for (int i = 0; i < 3; i++) {
        feed(l, "line\r", 1000);
        feed(l, "\n", 1000);
    }
    assert_string_equal(buf_str(&out), "line|line|line|");
    feed(l, "1%\r", 1001); /* the lines did not use up its turn */
    assert_string_equal(buf_str(&out), "line|line|line|1%|");
    lines_free(l);
}

static void escapes_are_stripped(void **state)
{
    expect("\x1b[1;31mred\x1b[0m text\n", "red text|");
    expect("\x1b]0;title\x07shown\n", "shown|");
    expect("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link|");
    expect("\x1bPq#0\x1b\\x\n", "x|");
    expect("\x1b(Ba\x1b=b\x1b"
           "7c\n",
           "abc|");
    expect("\x1b]unended\n", "unended|");
    expect("a\x1b\n", "a|");
    expect("a\x1b[12\n", "a|");
    expect("a\x1b[12\x01z\n", "a\xEF\xBF\xBDz|");
    expect("a\x1b\x1b[0mb\n", "ab|");
    expect("a\x1b( \n", "a|");
    expect("a\x1b\xC3\xA9\n", "a\xC3\xA9|");
    expect("\x1b[K\n", "|");
}

static void what_is_no_text_is_replaced(void **state)
{
    expect("a\tb\n", "a\tb|");
    expect("a\x01\x7F\x08z\n", "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz|");
    expect("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91\n", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91|");
    expect("\xC3(\xFF\n", "\xEF\xBF\xBD(\xEF\xBF\xBD|");
    expect("\xC2\x9B"
           "31m\n",
           "\xEF\xBF\xBD"
           "31m|"); /* CSI as one character */
    assert_string_equal(through(NULL, "a\0b\n", 4), "a\xEF\xBF\xBD"
                                                    "b|");
}

static void secrets_are_masked_before_and_after_the_escapes_go(void **state)
{
    struct redact *r = with_secret("pa\x1b[1mss-word");
    const char *raw = "<pa\x1b[1mss-word>\n", *hidden = "<hun\x1b[1mter22>\n";
    assert_string_equal(through(r, raw, strlen(raw)), "<***>|");
    redact_free(r);
    r = with_secret("hunter22");
    assert_string_equal(through(r, hidden, strlen(hidden)), "<***>|");
    assert_string_equal(through(r, "hunter22\n", 9), "***|");
    redact_free(r);
    r = with_secret("\xA9xyz123"); /* begins within a character */
    assert_string_equal(through(r, "\xC3\xA9xyz123\n", 9), "\xEF\xBF\xBD***|");
    redact_free(r);
}

static void a_long_line_is_cut_on_a_border_and_says_so(void **state)
{
    char *line = mem_alloc(LIMIT_LINE * 2);
    memset(line, 'x', LIMIT_LINE * 2);
    (void)through(NULL, line, LIMIT_LINE_SHOWN);
    assert_int_equal(out.n, LIMIT_LINE_SHOWN + 1);
    (void)through(NULL, line, LIMIT_LINE_SHOWN + 1);
    assert_string_equal(out.p + LIMIT_LINE_SHOWN, " \xE2\x80\xA6[cut 1 bytes]|");
    (void)through(NULL, line, LIMIT_LINE * 2);
    char expected[64];
    (void)snprintf(expected, sizeof expected, " \xE2\x80\xA6[cut %d bytes]|",
                   LIMIT_LINE * 2 - LIMIT_LINE_SHOWN);
    assert_string_equal(out.p + LIMIT_LINE_SHOWN, expected);
    for (size_t i = 0; i + 1 < LIMIT_LINE; i += 2)
        memcpy(line + 1 + i, "\xC3\xA9", 2);
    (void)through(NULL, line, LIMIT_LINE);
    assert_memory_equal(out.p + LIMIT_LINE_SHOWN - 1, " \xE2\x80\xA6[cut ", 9);
    mem_free(line);
}

/* Escapes take no room in what is shown, so that the border of what is kept comes into view. */
static void a_secret_across_the_border_of_what_is_kept_does_not_show(void **state)
{
    const char secret[] = "tops3cret";
    struct redact *r = with_secret(secret);
    char *line = mem_alloc(LIMIT_LINE + 100);
    for (size_t i = 0; i < LIMIT_LINE; i += 4)
        memcpy(line + i, "\x1b[0m", 4);
    memcpy(line + LIMIT_LINE - 100, "visible                                 ", 40);
    for (size_t k = 1; k < sizeof secret - 1; k++) { /* k bytes before the border */
        memset(line + LIMIT_LINE - 60, ' ', 60);
        memcpy(line + LIMIT_LINE - k, secret, sizeof secret - 1);
        (void)through(r, line, LIMIT_LINE - k + sizeof secret - 1);
        assert_non_null(strstr(out.p, "visible"));
        assert_non_null(strstr(out.p, "[cut "));
        assert_null(strstr(out.p, " t"));
    }
    for (size_t k = 1; k < sizeof secret - 1; k++) { /* with escapes between its bytes */
        memset(line + LIMIT_LINE - 60, ' ', 60);
        for (size_t i = 0; i < k; i++)
            memcpy(line + LIMIT_LINE - 5 * (k - i), (char[5]){secret[i], 0x1b, '[', '0', 'm'}, 5);
        memcpy(line + LIMIT_LINE, secret + k, sizeof secret - 1 - k);
        (void)through(r, line, LIMIT_LINE + sizeof secret - 1 - k);
        assert_non_null(strstr(out.p, "visible"));
        assert_null(strstr(out.p, " t"));
    }
    mem_free(line);
    redact_free(r);
}

/* ---- properties ---- */

static unsigned seed = 1;

static unsigned any(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static const char *const pieces[] = {
    "\n",
    "\r",
    "\r\n",
    "text",
    "\x1b[31m",
    "\x1b]0;t\x07",
    "\x1b",
    "[",
    "\xC3\xA9",
    "\xC3",
    "\xF0\x9F",
    "\x94\x91",
    "\t",
    "\x01",
    " ",
    "s3cr/t\xC3\xA9",
    "s3c",
    "r/t\xC3\xA9",
    "s3cr\\/t\\u00e9",
    "s3cr%2Ft%C3%A9",
    "s3cr%2ft%c3%a9",
    "***",
};

static size_t any_input(char *p, size_t max)
{
    size_t n = 0;
    for (unsigned k = any(200); k > 0; k--) {
        const char *piece = pieces[any(sizeof pieces / sizeof pieces[0])];
        size_t len = strlen(piece);
        if (n + len > max)
            break;
        memcpy(p + n, piece, len);
        n += len;
    }
    return n;
}

static void any_chunking_gives_the_same_lines_and_no_secret(void **state)
{
    struct redact *r = with_secret("s3cr/t\xC3\xA9");
    static char in[4096];
    for (int round = 0; round < 3000; round++) {
        size_t n = any_input(in, sizeof in);
        char *whole = mem_strdup(through(r, in, n));
        assert_null(strstr(whole, "s3cr/t\xC3\xA9"));
        assert_null(strstr(whole, "s3cr\\/t\\u00e9"));
        assert_null(strstr(whole, "s3cr%2Ft%C3%A9"));
        assert_null(strstr(whole, "s3cr%2ft%c3%a9"));
        buf_reset(&out);
        struct lines *l = lines_new(r, collect, NULL);
        unsigned most = 1 + any(20);
        for (size_t i = 0; i < n;) {
            size_t k = 1 + any(most);
            k = k < n - i ? k : n - i;
            char *exact = mem_alloc(k); /* so that a read past the chunk is seen */
            memcpy(exact, in + i, k);
            lines_feed(l, exact, k, 5000);
            mem_free(exact);
            i += k;
        }
        lines_end(l);
        lines_free(l);
        assert_string_equal(buf_str(&out), whole);
        mem_free(whole);
    }
    redact_free(r);
}

static void a_long_line_in_chunks_is_the_same(void **state)
{
    struct redact *r = with_secret("s3cr/t\xC3\xA9");
    size_t n = LIMIT_LINE + 5000;
    char *in = mem_alloc(n);
    memset(in, 'y', n);
    for (size_t i = 0; i + 9 < n; i += 1000)
        memcpy(in + i, "s3cr/t\xC3\xA9", 8);
    in[n - 3] = '\n';
    char *whole = mem_strdup(through(r, in, n));
    buf_reset(&out);
    struct lines *l = lines_new(r, collect, NULL);
    for (size_t i = 0; i < n; i += 777)
        lines_feed(l, in + i, n - i < 777 ? n - i : 777, 5000);
    lines_end(l);
    lines_free(l);
    assert_string_equal(buf_str(&out), whole);
    assert_null(strstr(whole, "s3cr"));
    mem_free(whole);
    mem_free(in);
    redact_free(r);
}

static void without_memory_no_secret_shows(void **state)
{
    struct redact *r = with_secret("hunter22");
    for (unsigned long k = 1; k < 12; k++) {
        buf_reset(&out);
        (void)buf_reserve(&out, 100000);
        struct lines *l = lines_new(r, collect, NULL);
        (void)mem_fail_at(k);
        feed(l, "a hun", 1);
        feed(l, "ter22 \xC3\xA9\x1b[0m\r", 1);
        feed(l, "b hunter22 \x1b[0m\r\n", 1);
        lines_end(l);
        (void)mem_fail_at(0);
        lines_free(l);
        assert_null(strstr(buf_str(&out), "hunter22"));
    }
    redact_free(r);
    (void)mem_fail_at(1);
    assert_null(lines_new(NULL, collect, NULL));
    (void)mem_fail_at(0);
    lines_free(NULL);
}

/* A secret is bytes: it may begin inside a character. */
static void a_mask_that_halves_a_character_leaves_valid_text(void **state)
{
    struct redact *r = redact_new();
    struct secret *s = secret_new("\xa9secret", 7);
    assert_true(r && s && redact_add(r, s, false));
    static const char text[] = "\x1b[31m\xc3\xa9secret end\n";
    const char *got = through(r, text, sizeof text - 1);
    assert_non_null(strstr(got, "*** end|"));
    assert_null(strstr(got, "secret"));
    static const char apart[] = "\xc3\xa9\x1b[1msecret end\n"; /* found once the escape is gone */
    got = through(r, apart, sizeof apart - 1);
    assert_non_null(strstr(got, "*** end|"));
    assert_true(utf8_valid(got, strlen(got)));
    secret_free(s);
    redact_free(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, empty_out, done_out)
    const struct CMUnitTest tests[] = {
        T(lines_end_at_newlines),
        T(a_redraw_is_passed_on_once_in_a_while_and_the_last_always),
        T(wiping_a_redraw_is_no_redraw),
        T(carriage_return_newline_is_no_redraw_at_any_rate),
        T(escapes_are_stripped),
        T(a_mask_that_halves_a_character_leaves_valid_text),
        T(what_is_no_text_is_replaced),
        T(secrets_are_masked_before_and_after_the_escapes_go),
        T(a_long_line_is_cut_on_a_border_and_says_so),
        T(a_secret_across_the_border_of_what_is_kept_does_not_show),
        T(any_chunking_gives_the_same_lines_and_no_secret),
        T(a_long_line_in_chunks_is_the_same),
        T(without_memory_no_secret_shows),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
