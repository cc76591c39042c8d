#include "api/query.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena, LIMIT_ARENA);
    return 0;
}

static int teardown(void **state)
{
    arena_done(&arena);
    return 0;
}

static size_t parse(const char *text, struct query_arg *args, struct err *e)
{
    size_t n = 99;
    *e = (struct err){0};
    bool ok = query_parse(&arena, text, args, 4, &n, e);
    assert_int_equal(ok, e->code == ERR_NONE);
    return n;
}

static void names_and_values_are_decoded_in_order(void **state)
{
    struct query_arg a[4];
    struct err e;
    assert_int_equal(parse("job_id=create%3A1&x=a+b%2bc&&flag&empty=&", a, &e), 4);
    assert_string_equal(a[0].name, "job_id");
    assert_string_equal(a[0].value, "create:1");
    assert_string_equal(a[1].value, "a b+c");
    assert_string_equal(a[2].name, "flag");
    assert_string_equal(a[2].value, "");
    assert_string_equal(a[3].value, "");
    assert_int_equal(parse("a=b=c", a, &e), 1);
    assert_string_equal(a[0].value, "b=c");
    assert_int_equal(parse("", a, &e), 0);
}

static void what_is_not_sound_is_refused(void **state)
{
    static const char *const bad[] = {"a=%",         "a=%4",     "a=%zz",   "a=%00", "%=1",
                                      "%ff=a",       "%c3%28=a", "a=1&a=2", "a&%61", "=1",
                                      "a&b&c&d&e=1", "a=%/0",    "a=%:0",   "a=%4z", "a=%4g"};
    struct query_arg a[4];
    struct err e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)parse(bad[i], a, &e);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
    }
    e.code = ERR_NONE;
    assert_null(query_decode(&arena, "a\0b", 3, false, &e));
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    (void)parse("cursor=1&cursor=2", a, &e);
    assert_string_equal(e.field, "cursor");
}

static void a_value_may_be_any_bytes_and_says_so(void **state)
{
    struct query_arg a[4];
    struct err e;
    struct buf b;
    assert_int_equal(parse("a=%ff%2520&b=%c3%a4", a, &e), 2);
    assert_string_equal(a[0].value, "\xff%20");
    assert_false(a[0].text);
    assert_true(a[1].text);
    buf_init(&b, 64);
    query_encode(&b, a[0].value);
    query_encode(&b, "\n\x7f\xc3\xa4 +");
    assert_string_equal(buf_str(&b), "%FF%2520%0A%7F\xc3\xa4 +");
    buf_done(&b);
}

static void a_plus_in_a_path_is_a_plus(void **state)
{
    struct err e = {0};
    assert_string_equal(query_decode(&arena, "a+b%20c", 7, false, &e), "a+b c");
    assert_null(query_decode(&arena, "%41%4", 5, false, &e));
    assert_string_equal(query_decode(&arena, "%41%4", 3, false, &e), "A");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_and_values_are_decoded_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_sound_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_may_be_any_bytes_and_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plus_in_a_path_is_a_plus, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
