#include "base/jsonw.h"

#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buf out;
static struct jsonw w;

static int begin(void **state)
{
    buf_init(&out, 100000);
    jsonw_init(&w, &out);
    return 0;
}

static int end(void **state)
{
    buf_done(&out);
    return 0;
}

static void commas_and_nesting_are_right(void **state)
{
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "id", "create:1");
    jsonw_key(&w, "list");
    jsonw_begin_array(&w);
    jsonw_int(&w, 1);
    jsonw_begin_object(&w);
    jsonw_end_object(&w);
    jsonw_begin_array(&w);
    jsonw_end_array(&w);
    jsonw_null(&w);
    jsonw_end_array(&w);
    jsonw_kbool(&w, "ok", true);
    jsonw_kbool(&w, "late", false);
    jsonw_kraw(&w, "raw", "[1,2]");
    jsonw_kraw(&w, "none", NULL);
    jsonw_key(&w, "empty");
    jsonw_raw(&w, "", 0);
    jsonw_kstr(&w, "label", NULL);
    jsonw_end_object(&w);
    assert_string_equal(buf_str(&out),
                        "{\"id\":\"create:1\",\"list\":[1,{},[],null],\"ok\":true,\"late\":false,"
                        "\"raw\":[1,2],\"none\":null,\"empty\":null,\"label\":null}");
}

static void numbers_keep_every_digit(void **state)
{
    jsonw_begin_array(&w);
    jsonw_int(&w, INT64_MIN);
    jsonw_int(&w, INT64_MAX);
    jsonw_int(&w, 0);
    jsonw_end_array(&w);
    assert_string_equal(buf_str(&out), "[-9223372036854775808,9223372036854775807,0]");
}

static void seconds_have_three_decimals_and_no_nonsense(void **state)
{
    jsonw_begin_array(&w);
    jsonw_seconds(&w, 1767225600.0004);
    jsonw_seconds(&w, 1.9996);
    jsonw_seconds(&w, -2.5);
    jsonw_seconds(&w, 0);
    jsonw_seconds(&w, NAN);
    jsonw_seconds(&w, INFINITY);
    jsonw_seconds(&w, 1e15);
    jsonw_end_array(&w);
    assert_string_equal(buf_str(&out), "[1767225600.000,2.000,-2.500,0.000,null,null,null]");
    buf_reset(&out);
    jsonw_init(&w, &out);
    jsonw_begin_object(&w);
    jsonw_kseconds(&w, "t", 0.25);
    jsonw_kint(&w, "n", -1);
    jsonw_end_object(&w);
    assert_string_equal(buf_str(&out), "{\"t\":0.250,\"n\":-1}");
}

static void text_is_escaped_and_made_valid(void **state)
{
    jsonw_strn(&w, "a\"b\\c\n\r\t\x01\x7F\0z\xC3\xA9\xFFq", 16);
    assert_string_equal(buf_str(&out), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\\u0000z\xC3\xA9"
                                       "\xEF\xBF\xBDq\"");
}

static void any_bytes_become_json_that_reads_back(void **state)
{
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        char bytes[24];
        size_t n = (size_t)round % sizeof bytes;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (char)(seed >> 24);
            if (bytes[i] == '\0')
                bytes[i] = 'x'; /* json_parse refuses NUL in strings */
        }
        buf_reset(&out);
        jsonw_init(&w, &out);
        jsonw_strn(&w, bytes, n);
        struct err e = {0};
        json_t *j = json_parse(buf_str(&out), out.n, &e);
        assert_non_null(j);
        if (utf8_valid(bytes, n))
            assert_int_equal(json_string_length(j), n);
        json_decref(j);
    }
}

static void a_full_buffer_is_told_by_the_buffer(void **state)
{
    struct buf small;
    buf_init(&small, 4);
    jsonw_init(&w, &small);
    jsonw_str(&w, "longer than four");
    assert_true(small.failed);
    buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_and_nesting_are_right, begin, end),
        cmocka_unit_test_setup_teardown(numbers_keep_every_digit, begin, end),
        cmocka_unit_test_setup_teardown(seconds_have_three_decimals_and_no_nonsense, begin, end),
        cmocka_unit_test_setup_teardown(text_is_escaped_and_made_valid, begin, end),
        cmocka_unit_test_setup_teardown(any_bytes_become_json_that_reads_back, begin, end),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_told_by_the_buffer, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
