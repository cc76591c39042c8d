#include "backup/restore/download_pace.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { FULL = DOWNLOAD_SLOW_MS, ENOUGH = DOWNLOAD_SLOW_RATE * (DOWNLOAD_SLOW_MS / 1000) };

static void who_takes_little_while_waited_for_is_too_slow(void **state)
{
    struct download_pace p = {0};
    download_pace_taken(&p, ENOUGH - 1);
    download_pace_waits(&p, 0);
    assert_false(download_pace_too_slow(&p, FULL - 1));
    assert_true(download_pace_too_slow(&p, FULL + 1));
}

static void enough_begins_a_new_stretch(void **state)
{
    struct download_pace p = {0};
    download_pace_taken(&p, 2 * ENOUGH);
    download_pace_waits(&p, 1000);
    assert_false(download_pace_too_slow(&p, 1000 + FULL));
    assert_false(download_pace_too_slow(&p, 1000 + 2 * FULL - 1));
    assert_true(download_pace_too_slow(&p, 1000 + 2 * FULL));
}

static void time_in_which_borg_is_slow_does_not_count(void **state)
{
    struct download_pace p = {0};
    for (uint64_t t = 1000; t < 10 * (uint64_t)FULL; t += 10000) {
        download_pace_waits(&p, t);
        download_pace_waits(&p, t + 500); /* it waits already */
        download_pace_ready(&p, t + 1000);
        download_pace_ready(&p, t + 2000); /* it does not wait any more */
        assert_false(p.waited < FULL && download_pace_too_slow(&p, t + 9000));
    }
    assert_int_equal(p.waited, FULL);
    assert_true(download_pace_too_slow(&p, 10 * (uint64_t)FULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_takes_little_while_waited_for_is_too_slow),
        cmocka_unit_test(enough_begins_a_new_stretch),
        cmocka_unit_test(time_in_which_borg_is_slow_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
