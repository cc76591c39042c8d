#include "base/json.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text, struct err *e)
{
    *e = (struct err){0};
    return json_parse(text, strlen(text), e);
}

static void refused(const char *text, const char *words)
{
    struct err e;
    assert_null(parse(text, &e));
    assert_int_equal(e.code, ERR_INVALID_JSON);
    assert_non_null(strstr(e.msg, words));
}

static void reads_members_by_type_or_gives_the_fallback(void **state)
{
    struct err e;
    json_t *j = parse("{\"s\":\"x\",\"i\":-7,\"r\":2.5,\"t\":true,\"f\":false}", &e);
    assert_non_null(j);
    assert_string_equal(json_get_str(j, "s", "?"), "x");
    assert_string_equal(json_get_str(j, "i", "?"), "?");
    assert_null(json_get_str(j, "none", NULL));
    assert_int_equal(json_get_int(j, "i", 1), -7);
    assert_int_equal(json_get_int(j, "r", 1), 1);
    assert_true(json_get_num(j, "r", 0) > 2.4 && json_get_num(j, "i", 0) < -6.9);
    assert_true(json_get_num(j, "s", 9) > 8.9);
    assert_true(json_get_bool(j, "t", false));
    assert_false(json_get_bool(j, "f", true));
    assert_true(json_get_bool(j, "s", true));
    json_decref(j);
    assert_int_equal(json_get_int(NULL, "i", 3), 3);
}

static void takes_one_whole_value_of_any_type(void **state)
{
    const char *good[] = {"null", "1", "\"a\"", "[]", " {} ", "[1,[2,{\"a\":[3]}]]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct err e;
        json_t *j = parse(good[i], &e);
        assert_non_null(j);
        json_decref(j);
    }
    refused("", "line 1");
    refused("{} {}", "line 1");
    refused("{\"a\":1,}", "line 1");
    refused("{\n\"a\":tru}", "line 2");
    refused("\"\\u0000\"", "line 1");
    refused("\"\xFF\"", "line 1");
}

static void refuses_the_same_name_twice(void **state)
{
    refused("{\"a\":1,\"a\":2}", "line 1");
}

static void depth_is_counted_outside_strings_only(void **state)
{
    char text[3 * LIMIT_JSON_DEPTH + 8];
    struct err e;
    memset(text, '[', LIMIT_JSON_DEPTH);
    memset(text + LIMIT_JSON_DEPTH, ']', LIMIT_JSON_DEPTH);
    json_t *j = json_parse(text, 2 * (size_t)LIMIT_JSON_DEPTH, &e);
    assert_non_null(j);
    json_decref(j);

    memset(text, '[', LIMIT_JSON_DEPTH + 1);
    text[LIMIT_JSON_DEPTH + 1] = '\0';
    refused(text, "deeper");
    j = parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[\"]", &e);
    assert_non_null(j);
    json_decref(j);
}

static void an_error_never_quotes_the_input(void **state)
{
    struct err e;
    assert_null(parse("{\"borg_passphrase\":\"hunter22\" oops", &e));
    assert_null(strstr(e.msg, "hunter22"));
    assert_null(strstr(e.msg, "oops"));
}

static void trees_are_wiped_when_they_are_given_back(void **state)
{
    struct err e;
    struct buf small;
    json_use_wiped_memory();
    json_t *j = parse("{\"n\":1.5,\"b\":true,\"s\":\"text\"}", &e);
    assert_non_null(j);
    assert_true(json_get_num(j, "n", 0) > 1.4 && json_get_num(j, "s", 7) > 6.9);
    assert_true(json_get_bool(j, "b", false) && json_get_bool(j, "n", true));
    buf_init(&small, 4);
    assert_false(json_write(j, &small));
    assert_true(small.failed);
    buf_done(&small);
    json_decref(j);
}

static void what_was_read_while_memory_was_gone_does_not_count(void **state)
{
    static const char text[] = "{\"a_name_that_is_longer_than_a_buffer\": \"and a value as well\"}";
    json_use_wiped_memory();
    json_t *whole = json_parse(text, strlen(text), NULL);
    assert_non_null(whole);
    size_t failed = 0;
    for (unsigned long n = 1;; n++) {
        struct err e = {0};
        (void)mem_fail_at(n);
        json_t *j = json_parse(text, strlen(text), &e);
        bool hit = mem_fail_at(0) >= n;
        assert_true(j ? json_equal(j, whole) : e.code == ERR_NO_MEMORY);
        json_decref(j);
        failed += hit;
        if (!hit)
            break;
    }
    assert_true(failed > 5);
    json_decref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members_by_type_or_gives_the_fallback),
        cmocka_unit_test(takes_one_whole_value_of_any_type),
        cmocka_unit_test(refuses_the_same_name_twice),
        cmocka_unit_test(depth_is_counted_outside_strings_only),
        cmocka_unit_test(an_error_never_quotes_the_input),
        cmocka_unit_test(what_was_read_while_memory_was_gone_does_not_count),
        cmocka_unit_test(trees_are_wiped_when_they_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
