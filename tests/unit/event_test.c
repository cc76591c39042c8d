#include "jobs/event.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct buf out;

static void fresh(void)
{
    buf_done(&out);
    buf_init(&out, 100000);
}

static void a_record_is_its_letter_its_numbers_and_json(void **state)
{
    fresh();
    event_render(&out, EVENT_STDERR, 7, 42, 1700000000.125, "a \"b\"\n", 6, "{\"n\":1}");
    assert_string_equal(buf_str(&out), "e 7 42 {\"id\":7,\"t\":1700000000.125,\"kind\":\"stderr\","
                                       "\"line\":\"a \\\"b\\\"\\n\",\"data\":{\"n\":1}}\n");
    buf_done(&out);
}

static void what_was_rendered_is_parsed_back_for_every_kind(void **state)
{
    for (int k = 0; k < EVENT_KINDS; k++) {
        fresh();
        event_render(&out, (enum event_kind)k, 0, UINT64_MAX, 1.5, "x\1y\xFF", 4, NULL);
        event_render(&out, EVENT_STDOUT, 1, 2, 3, "", 0, NULL);
        struct event ev;
        size_t used;
        assert_true(event_parse(out.p, out.n, &ev, &used));
        assert_int_equal(ev.kind, k);
        assert_true(ev.id == 0 && ev.gid == UINT64_MAX);
        json_t *j = json_parse(ev.json, ev.json_len, NULL);
        assert_non_null(j);
        assert_string_equal(json_get_str(j, "kind", ""), event_kind_name((enum event_kind)k));
        json_decref(j);
        assert_true(event_parse(out.p + used, out.n - used, &ev, &used));
        assert_int_equal(ev.gid, 2);
    }
    buf_done(&out);
}

static void newlines_in_data_do_not_break_the_record(void **state)
{
    fresh();
    event_render(&out, EVENT_PROGRESS, 1, 2, 3, "", 0, "{\n  \"a\": 1\r\n}");
    assert_ptr_equal(memchr(out.p, '\n', out.n), out.p + out.n - 1);
    struct event ev;
    size_t used;
    assert_true(event_parse(out.p, out.n, &ev, &used));
    json_t *j = json_parse(ev.json, ev.json_len, NULL);
    assert_int_equal(json_get_int(json_object_get(j, "data"), "a", 0), 1);
    json_decref(j);
    buf_done(&out);
}

static void every_cut_of_a_record_is_no_record(void **state)
{
    fresh();
    event_render(&out, EVENT_STDOUT, 12, 34, 5, "line", 4, NULL);
    struct event ev;
    size_t used;
    for (size_t n = 0; n < out.n; n++)
        assert_false(event_parse(out.p, n, &ev, &used));
    assert_true(event_parse(out.p, out.n, &ev, &used));
    assert_int_equal(used, out.n);
    buf_done(&out);
}

static void malformed_records_are_refused(void **state)
{
    static const char *const bad[] = {"z 1 2 {}\n",
                                      "o1 2 {}\n",
                                      "o  2 {}\n",
                                      "o 1 {}\n",
                                      "o 1 2{}\n",
                                      "o 1 -2 {}\n",
                                      "o 1 2 {\n",
                                      "o 1 2 []\n",
                                      "o 1 2 \n",
                                      "o 1 2",
                                      "\n",
                                      "o\n",
                                      "o \n",
                                      "o 18446744073709551616 2 {}\n",
                                      "o 99999999999999999999999 2 {}\n"};
    struct event ev;
    size_t used;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(event_parse(bad[i], strlen(bad[i]), &ev, &used));
    assert_true(event_parse("o 18446744073709551615 2 {}\n", 28, &ev, &used));
}

static void kinds_are_parsed_from_a_list(void **state)
{
    unsigned mask = 0;
    struct err e = {0};
    assert_true(event_kinds_parse("stdout,status", &mask, &e));
    assert_int_equal(mask, EVENT_MASK(EVENT_STDOUT) | EVENT_MASK(EVENT_STATUS));
    assert_true(event_kinds_parse("stdout,stderr,progress,stage,status,done,gap,borg", &mask, &e));
    assert_int_equal(mask, EVENT_ALL_KINDS);
}

static void unknown_and_empty_kinds_name_the_field(void **state)
{
    static const char *const bad[] = {"",    ",",       "stdout,",       ",stdout",
                                      "std", "stdouts", "stdout stderr", "STDOUT"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned mask = 99;
        struct err e = {0};
        assert_false(event_kinds_parse(bad[i], &mask, &e));
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "kinds");
        assert_int_equal(mask, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_its_letter_its_numbers_and_json),
        cmocka_unit_test(what_was_rendered_is_parsed_back_for_every_kind),
        cmocka_unit_test(newlines_in_data_do_not_break_the_record),
        cmocka_unit_test(every_cut_of_a_record_is_no_record),
        cmocka_unit_test(malformed_records_are_refused),
        cmocka_unit_test(kinds_are_parsed_from_a_list),
        cmocka_unit_test(unknown_and_empty_kinds_name_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
