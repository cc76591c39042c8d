#include "jobs/redact.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add(struct redact *r, const char *text, bool even_short, bool expected)
{
    struct secret *s = secret_new(text, strlen(text));
    assert_non_null(s);
    assert_int_equal(redact_add(r, s, even_short), expected);
    secret_free(s);
}

static void expect(const struct redact *r, const char *text, const char *masked, size_t matches)
{
    struct buf b;
    buf_init(&b, 1000000);
    assert_int_equal(redact_apply(r, text, strlen(text), &b), matches);
    assert_string_equal(buf_str(&b), masked);
    buf_done(&b);
}

static void a_table_that_is_full_refuses_the_secret(void **state)
{
    struct redact *r = redact_new();
    char text[LIMIT_SECRET + 1] = "";
    size_t n = 0;
    for (int i = 0; n + 12 < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "l%05d-%02x\n", i, (unsigned)i & 255);
    bool full = false;
    for (int k = 0; k < 40 && !full; k++) {
        text[1] = (char)('A' + k);
        for (char *p = text; (p = strchr(p, '\n')) && p[1]; p++)
            p[2] = (char)('A' + k);
        struct secret *s = secret_new(text, n);
        full = !redact_add(r, s, false);
        secret_free(s);
    }
    assert_true(full);
    redact_free(r);
}

static void with_no_needles_it_copies(void **state)
{
    struct redact *r = redact_new();
    assert_true(redact_empty(r));
    assert_true(redact_empty(NULL));
    assert_int_equal(redact_longest(NULL), 0);
    expect(r, "some text", "some text", 0);
    expect(NULL, "some text", "some text", 0);
    redact_free(r);
    redact_free(NULL);
}

static void a_secret_is_masked_wherever_it_stands(void **state)
{
    struct redact *r = redact_new();
    add(r, "hunter22", false, true);
    assert_false(redact_empty(r));
    expect(r, "hunter22", "***", 1);
    expect(r, "xhunter22y", "x***y", 1);
    expect(r, "hunter22hunter22", "******", 2);
    expect(r, "hunter2", "hunter2", 0);
    expect(r, "hunter2 2", "hunter2 2", 0);
    expect(r, "", "", 0);
    redact_free(r);
}

static void the_longest_match_wins_and_overlapping_ones_are_one_mask(void **state)
{
    struct redact *r = redact_new();
    add(r, "secret", false, true);
    add(r, "secret-longer", false, true);
    add(r, "longer-still", false, true);
    expect(r, "a secret-longer b", "a *** b", 1);
    expect(r, "a secret-longer-still b", "a *** b", 2);
    expect(r, "a secret-long b", "a ***-long b", 1);
    redact_free(r);
}

static void short_secrets_are_refused_unless_asked_for(void **state)
{
    struct redact *r = redact_new();
    add(r, "abcde", false, false);
    assert_true(redact_empty(r));
    add(r, "ab", true, true);
    expect(r, "cabc", "c***c", 1);
    redact_free(r);
    r = redact_new();
    add(r, "", true, true);
    assert_true(redact_empty(r));
    add(r, "", false, false);
    redact_free(r);
}

static void every_form_in_which_programs_print_a_secret_is_masked(void **state)
{
    struct redact *r = redact_new();
    add(r, "p\"s/\xC3\xA9 '\xF0\x9F\x94\x91~+\\", false, true);
    static const char *const forms[] = {
        "p\"s/\xC3\xA9 '\xF0\x9F\x94\x91~+\\",
        "p\\\"s/\xC3\xA9 '\xF0\x9F\x94\x91~+\\\\",       /* JSON */
        "p\\\"s\\/\xC3\xA9 '\xF0\x9F\x94\x91~+\\\\",     /* with / escaped */
        "p\\\"s/\\u00e9 '\\ud83d\\udd11~+\\\\",          /* Python */
        "p\\\"s\\/\\u00e9 '\\ud83d\\udd11~+\\\\",        /* PHP */
        "p\\\"s/\\u00E9 '\\uD83D\\uDD11~+\\\\",          /* jansson */
        "p\\\"s\\/\\u00E9 '\\uD83D\\uDD11~+\\\\",        /* with / escaped */
        "p%22s%2F%C3%A9%20%27%F0%9F%94%91~%2B%5C",       /* RFC 3986 */
        "p%22s%2f%c3%a9%20%27%f0%9f%94%91~%2b%5c",       /* lower case */
        "p%22s/%C3%A9%20%27%F0%9F%94%91~%2B%5C",         /* a path */
        "p%22s%2F%C3%A9%20'%F0%9F%94%91~%2B%5C",         /* encodeURIComponent */
        "p%22s%2F%C3%A9+%27%F0%9F%94%91~%2B%5C",         /* quote_plus */
        "p%22s%2f%c3%a9+%27%f0%9f%94%91%7e%2b%5c",       /* a form */
        "%70%22%73%2F%C3%A9%20%27%F0%9F%94%91%7E%2B%5C", /* every byte */
        "%70%22%73%2f%c3%a9%20%27%f0%9f%94%91%7e%2b%5c",
        "p\"s/\xC3\xA9 '\\''\xF0\x9F\x94\x91~+\\",       /* a shell */
        "p\"s/\xC3\xA9 '\"'\"'\xF0\x9F\x94\x91~+\\",     /* Python's shlex */
        "p\"s/\xC3\xA9 \\'\xF0\x9F\x94\x91~+\\\\",       /* repr */
        "p\"s/\xC3\xA9 '\xF0\x9F\x94\x91~+\\\\",         /* repr in double quotes */
        "p\"s/\\xc3\\xa9 \\'\\xf0\\x9f\\x94\\x91~+\\\\", /* repr of bytes */
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "<%s>", forms[i]);
        expect(r, text, "<***>", 1);
    }
    assert_int_equal(redact_longest(r), strlen(forms[13]));
    redact_free(r);
}

static void control_characters_and_broken_text_have_forms_too(void **state)
{
    struct redact *r = redact_new();
    add(r, "a\x01\tb\xFF\xC2\x85z", false, true);
    expect(r, "-a\x01\tb\xFF\xC2\x85z-", "-***-", 1);
    expect(r, "-a\\u0001\\tb\\udcff\\u0085z-", "-***-", 1);
    expect(r, "-a\xEF\xBF\xBD\tb\xEF\xBF\xBD\xEF\xBF\xBDz-", "-***-", 1);
    expect(r, "-a\\x01\\tb\\xff\\xc2\\x85z-", "-***-", 1);
    redact_free(r);
}

static void a_key_of_several_lines_is_masked_line_by_line(void **state)
{
    struct redact *r = redact_new();
    add(r, "-----BEGIN KEY-----\nAAAAB3NzaC1\r\nab+/cdefg\nxy=\n-----END KEY-----\n", false, true);
    expect(r, "AAAAB3NzaC1", "***", 1);
    expect(r, "> ab+/cdefg <", "> *** <", 1);
    expect(r, "-----BEGIN KEY-----", "-----BEGIN KEY-----", 0);
    expect(
        r,
        "{\"k\":\"-----BEGIN KEY-----\\nAAAAB3NzaC1\\r\\nab+/cdefg\\nxy=\\n-----END KEY-----\\n\"}",
        "{\"k\":\"***\"}", 3);
    redact_free(r);
}

static void a_full_table_and_a_secret_too_long_are_refused(void **state)
{
    struct redact *r = redact_new();
    char text[LIMIT_SECRET + 2];
    memset(text, 'x', sizeof text);
    text[LIMIT_SECRET + 1] = '\0';
    add(r, text, false, false);
    text[LIMIT_SECRET] = '\0';
    add(r, text, false, true);
    bool full = false;
    for (int i = 0; i < LIMIT_NEEDLES && !full; i++) {
        (void)snprintf(text, sizeof text, "s\"%d/secret", i);
        struct secret *s = secret_new(text, strlen(text));
        full = !redact_add(r, s, false);
        secret_free(s);
    }
    assert_true(full);
    redact_free(r);
}

static void without_memory_nothing_is_promised(void **state)
{
    int failures = 0;
    for (unsigned long n = 1; n < 100; n++) {
        struct secret *s = secret_new("p\"s/s'w%rd", 10);
        struct redact *r = redact_new();
        (void)mem_fail_at(n);
        bool ok = redact_add(r, s, false);
        (void)mem_fail_at(0);
        failures += !ok;
        redact_free(r);
        secret_free(s);
        if (ok)
            break;
    }
    assert_true(failures > 3 && failures < 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_is_full_refuses_the_secret),
        cmocka_unit_test(with_no_needles_it_copies),
        cmocka_unit_test(a_secret_is_masked_wherever_it_stands),
        cmocka_unit_test(the_longest_match_wins_and_overlapping_ones_are_one_mask),
        cmocka_unit_test(short_secrets_are_refused_unless_asked_for),
        cmocka_unit_test(every_form_in_which_programs_print_a_secret_is_masked),
        cmocka_unit_test(control_characters_and_broken_text_have_forms_too),
        cmocka_unit_test(a_key_of_several_lines_is_masked_line_by_line),
        cmocka_unit_test(a_full_table_and_a_secret_too_long_are_refused),
        cmocka_unit_test(without_memory_nothing_is_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
