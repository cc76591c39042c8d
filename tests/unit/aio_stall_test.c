#include "aio/run/stall.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT = 1000 };

static void a_run_that_says_nothing_stalls_once(void **state)
{
    struct stall s;
    stall_init(&s, 500);
    assert_int_equal(stall_look(&s, 1499, LIMIT), STALL_NONE);
    assert_int_equal(stall_look(&s, 1500, LIMIT), STALL_BEGAN);
    assert_int_equal(stall_look(&s, 9000, LIMIT), STALL_NONE);
    stall_moved(&s, 9001);
    assert_int_equal(stall_look(&s, 9002, LIMIT), STALL_OVER);
    assert_int_equal(stall_look(&s, 9003, LIMIT), STALL_NONE);
    assert_int_equal(stall_look(&s, 10001, LIMIT), STALL_BEGAN);
}

static void a_waiting_loop_prints_the_same_line_for_ever(void **state)
{
    struct stall s;
    stall_init(&s, 0);
    stall_line(&s, "Waiting for apache to become available", 100);
    for (uint64_t now = 200; now < 1100; now += 100) {
        stall_line(&s, "Waiting for apache to become available", now);
        assert_int_equal(stall_look(&s, now, LIMIT), STALL_NONE);
    }
    assert_int_equal(stall_look(&s, 1100, LIMIT), STALL_BEGAN);
    stall_line(&s, "Stopping containers...", 1200);
    assert_int_equal(stall_look(&s, 1200, LIMIT), STALL_OVER);

    /* also a line that is longer than what is kept of it */
    char line[400];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    stall_line(&s, line, 1300);
    stall_line(&s, line, 1900);
    assert_int_equal(stall_look(&s, 2300, LIMIT), STALL_BEGAN);
}

static void silent_input_and_output_is_movement(void **state)
{
    struct stall s;
    stall_init(&s, 0);
    stall_bytes(&s, 4096, 400);
    stall_bytes(&s, 4096, 800);
    assert_int_equal(stall_look(&s, 1399, LIMIT), STALL_NONE);
    assert_int_equal(stall_look(&s, 1400, LIMIT), STALL_BEGAN);
    stall_bytes(&s, 4097, 1500);
    assert_int_equal(stall_look(&s, 1500, LIMIT), STALL_OVER);
}

static void movement_noticed_after_the_clock_was_read_is_no_stall(void **state)
{
    (void)state;
    struct stall s;
    stall_init(&s, 0);
    stall_moved(&s, 501);
    assert_int_equal(stall_look(&s, 500, LIMIT), STALL_NONE);
}

static void bytes_of_disks_and_networks_are_counted(void **state)
{
    static const char *const texts[] = {
        "{\"blkio_stats\":{\"io_service_bytes_recursive\":[{\"op\":\"read\",\"value\":4096},"
        "{\"op\":\"write\",\"value\":1000}]},\"networks\":{\"eth0\":{\"rx_bytes\":10,"
        "\"tx_bytes\":5}}}",
        "{\"blkio_stats\":{\"io_service_bytes_recursive\":null}}",
        "{}",
    };
    static const uint64_t bytes[] = {5111, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        json_t *stats = json_parse(texts[i], strlen(texts[i]), NULL);
        assert_non_null(stats);
        assert_int_equal(stall_io(stats), bytes[i]);
        json_decref(stats);
    }
    assert_int_equal(stall_io(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_that_says_nothing_stalls_once),
        cmocka_unit_test(a_waiting_loop_prints_the_same_line_for_ever),
        cmocka_unit_test(silent_input_and_output_is_movement),
        cmocka_unit_test(movement_noticed_after_the_clock_was_read_is_no_stall),
        cmocka_unit_test(bytes_of_disks_and_networks_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
