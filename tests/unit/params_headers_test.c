/* What the Prefer, Idempotency-Key and Content-Type headers say. */
#include "api/params.h"

#include "base/mem.h"
#include "call_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct route route = {.method = HTTP_M_POST};

static void an_idempotency_key_is_visible_ascii_bare_or_quoted(void **state)
{
    static const struct route starts = {.method = HTTP_M_POST, .starts_job = true};
    static const struct {
        const char *sent, *key;
    } rows[] = {{"abc-1", "abc-1"}, {"\"abc 1\"", NULL}, {"\"abc-1\"", "abc-1"},
                {"", NULL},         {"\"\"", NULL},      {"\xC3\xA9", NULL},
                {"a\x7f", NULL},    {"\"abc", "\"abc"},  {"\"", "\""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        make(&a, &starts, "", "");
        add_header(&a, "idempotency-key", rows[i].sent);
        assert_int_equal(params_headers(&a.c, &a.e), rows[i].key != NULL);
        if (rows[i].key)
            assert_string_equal(a.c.idempotency_key, rows[i].key);
        done(&a);
    }
    char longest[130];
    memset(longest, 'k', sizeof longest);
    longest[129] = '\0';
    for (size_t skip = 0; skip < 2; skip++) {
        struct asked a;
        make(&a, &starts, "", "");
        add_header(&a, "idempotency-key", longest + skip);
        assert_int_equal(params_headers(&a.c, &a.e), skip == 1); /* 128 bytes */
        done(&a);
    }
}

static void what_starts_no_job_needs_no_key_and_takes_none(void **state)
{
    static const struct route asks = {.method = HTTP_M_GET};
    struct asked a;
    make(&a, &asks, "", "");
    add_header(&a, "idempotency-key", "not a key");
    assert_true(params_headers(&a.c, &a.e));
    assert_null(a.c.idempotency_key);
    done(&a);
}

static void a_quoted_key_that_there_is_no_memory_for_is_told(void **state)
{
    static const struct route starts = {.method = HTTP_M_POST, .starts_job = true};
    struct asked a;
    make(&a, &starts, "", "");
    add_header(&a, "idempotency-key", "\"abc\"");
    (void)mem_fail_at(1);
    assert_false(params_headers(&a.c, &a.e));
    (void)mem_fail_at(0);
    assert_int_equal(a.e.code, ERR_NO_MEMORY);
    assert_null(a.c.idempotency_key);
    done(&a);
}

static void not_waiting_is_the_same_as_waiting_no_time(void **state)
{
    static const struct {
        const char *prefer;
        int wait_s;
    } rows[] = {
        {"wait=0", -1},  {"wait=7", 7},  {"wait=x", -1},          {"respond-async, wait=3", 3},
        {"wait=-3", -1}, {"wait=", -1},  {"wait=999999", 999999}, {"wait=9999999", -1},
        {"wait", -1},    {"wade=3", -1}, {"respond-later", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        make(&a, &route, "", "");
        add_header(&a, "prefer", rows[i].prefer);
        assert_true(check(&a));
        assert_int_equal(a.c.prefer_wait_s, rows[i].wait_s);
        assert_int_equal(a.c.prefer_async, strstr(rows[i].prefer, "respond-async") != NULL);
        done(&a);
    }
}

static void a_type_that_says_nothing_is_json(void **state)
{
    static const struct {
        const char *type;
        enum err_code code;
    } rows[] = {{"", ERR_NONE},
                {"json", ERR_UNSUPPORTED_MEDIA},
                {"text", ERR_UNSUPPORTED_MEDIA},
                {"image/svg+json", ERR_UNSUPPORTED_MEDIA},
                {"application/jsox", ERR_UNSUPPORTED_MEDIA}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        make(&a, &route, "", "{}");
        add_header(&a, "content-type", rows[i].type);
        (void)check(&a);
        assert_int_equal(a.e.code, rows[i].code);
        done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idempotency_key_is_visible_ascii_bare_or_quoted),
        cmocka_unit_test(what_starts_no_job_needs_no_key_and_takes_none),
        cmocka_unit_test(a_quoted_key_that_there_is_no_memory_for_is_told),
        cmocka_unit_test(not_waiting_is_the_same_as_waiting_no_time),
        cmocka_unit_test(a_type_that_says_nothing_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
