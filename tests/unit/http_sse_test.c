#include "http/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buf b;

static int start(void **state)
{
    buf_init(&b, 1000);
    return 0;
}

static int stop(void **state)
{
    buf_done(&b);
    return 0;
}

static void an_event_has_its_id_kind_and_data(void **state)
{
    assert_true(http_sse_event_id(&b, 18446744073709551615ULL, "stdout", "hello", 5));
    assert_string_equal(buf_str(&b), "id: 18446744073709551615\nevent: stdout\ndata: hello\n\n");
}

static void what_is_not_given_is_left_out(void **state)
{
    assert_true(http_sse_event(&b, NULL, NULL, "x", 1));
    assert_true(http_sse_event(&b, "a:7", NULL, NULL, 0));
    assert_string_equal(buf_str(&b), "data: x\n\nid: a:7\ndata: \n\n");
}

static void every_line_of_the_data_is_framed_alone(void **state)
{
    static const char data[] = "a\nb\r\nc\rd\n\n";
    assert_true(http_sse_event(&b, NULL, "e", data, sizeof data - 1));
    assert_string_equal(buf_str(&b),
                        "event: e\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: \n\n");
}

static void data_cannot_forge_a_frame(void **state)
{
    static const char data[] = "x\r\rid: 9\revent: done";
    assert_true(http_sse_event(&b, NULL, NULL, data, sizeof data - 1));
    assert_string_equal(buf_str(&b), "data: x\ndata: \ndata: id: 9\ndata: event: done\n\n");
}

static void a_carriage_return_at_the_end_is_not_followed_past_it(void **state)
{
    assert_true(http_sse_event(&b, NULL, NULL, "x\r\n", 2));
    assert_string_equal(buf_str(&b), "data: x\ndata: \n\n");
}

static void id_retry_and_comment_stand_alone(void **state)
{
    assert_true(http_sse_id(&b, "12"));
    assert_true(http_sse_retry(&b, 3000));
    assert_true(http_sse_comment(&b, "hi"));
    assert_string_equal(buf_str(&b), "id: 12\n\nretry: 3000\n\n: hi\n\n");
}

static void a_full_buffer_is_told(void **state)
{
    buf_done(&b);
    buf_init(&b, 10);
    assert_false(http_sse_event_id(&b, 1, "stdout", "hello", 5));
    assert_true(b.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_has_its_id_kind_and_data, start, stop),
        cmocka_unit_test_setup_teardown(what_is_not_given_is_left_out, start, stop),
        cmocka_unit_test_setup_teardown(every_line_of_the_data_is_framed_alone, start, stop),
        cmocka_unit_test_setup_teardown(data_cannot_forge_a_frame, start, stop),
        cmocka_unit_test_setup_teardown(a_carriage_return_at_the_end_is_not_followed_past_it, start,
                                        stop),
        cmocka_unit_test_setup_teardown(id_retry_and_comment_stand_alone, start, stop),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_told, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
