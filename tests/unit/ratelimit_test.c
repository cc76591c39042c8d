#include "api/ratelimit.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int route_a, route_b;

static void five_in_sixty_seconds_is_exact_in_every_window(void **state)
{
    struct ratelimit *r = ratelimit_new(1);
    uint64_t passed[4000];
    size_t n = 0;
    unsigned seed = 7;
    for (uint64_t now = 0; now < 600000; now += 150 + (uint64_t)(rand_r(&seed) % 300)) {
        struct rate_answer a = ratelimit_take(r, "write", &route_a, 5, 60, now);
        if (a.allowed) {
            assert_true(n < 5 || now - passed[n - 5] >= 60000);
            passed[n++] = now;
        } else { /* told when: at that time, and not a second before, one passes */
            uint64_t free_at = passed[n - 5] + 60000;
            assert_true(free_at > now);
            assert_int_equal(a.reset_s, (free_at - now + 999) / 1000);
        }
    }
    assert_in_range(n, 49, 50);
    ratelimit_free(r);
}

static void answers_say_what_is_left(void **state)
{
    struct ratelimit *r = ratelimit_new(1);
    for (unsigned i = 0; i < 3; i++) {
        struct rate_answer a = ratelimit_take(r, "write", &route_a, 3, 60, 1000);
        assert_true(a.allowed);
        assert_int_equal(a.remaining, 2 - i);
        assert_int_equal(a.max, 3);
        assert_int_equal(a.window_s, 60);
    }
    struct rate_answer a = ratelimit_take(r, "write", &route_a, 3, 60, 31000);
    assert_false(a.allowed);
    assert_int_equal(a.remaining, 0);
    assert_int_equal(a.reset_s, 30);
    assert_int_equal(ratelimit_blocked(r), 1);
    ratelimit_free(r);
}

static void identities_and_routes_have_buckets_of_their_own(void **state)
{
    struct ratelimit *r = ratelimit_new(1);
    assert_true(ratelimit_take(r, "write", &route_a, 1, 60, 0).allowed);
    assert_false(ratelimit_take(r, "write", &route_a, 1, 60, 0).allowed);
    assert_true(ratelimit_take(r, "admin", &route_a, 1, 60, 0).allowed);
    assert_true(ratelimit_take(r, "write", &route_b, 1, 60, 0).allowed);
    ratelimit_free(r);
}

static void the_scale_multiplies_and_leaves_at_least_one(void **state)
{
    struct ratelimit *r = ratelimit_new(2.5);
    assert_int_equal(ratelimit_take(r, "write", &route_a, 5, 60, 0).max, 12);
    ratelimit_free(r);
    r = ratelimit_new(0);
    assert_true(ratelimit_take(r, "write", &route_a, 5, 60, 0).allowed);
    assert_false(ratelimit_take(r, "write", &route_a, 5, 60, 0).allowed);
    ratelimit_free(r);
    r = ratelimit_new(1000);
    assert_int_equal(ratelimit_take(r, "write", &route_a, 30, 60, 0).max, RATE_CALLS);
    ratelimit_free(r);
}

static void a_full_table_gives_up_the_bucket_that_was_quiet_longest(void **state)
{
    struct ratelimit *r = ratelimit_new(1);
    char identity[24];
    for (unsigned i = 0; i < RATE_TABLE + 1; i++) {
        (void)snprintf(identity, sizeof identity, "id%u", i);
        assert_true(ratelimit_take(r, identity, &route_a, 1, 3600, i).allowed);
    }
    assert_false(ratelimit_take(r, "id1", &route_a, 1, 3600, 3000).allowed);
    assert_true(ratelimit_take(r, "id0", &route_a, 1, 3600, 3000).allowed);
    ratelimit_free(r);
}

static void without_memory_a_call_passes(void **state)
{
    struct ratelimit *r = ratelimit_new(1);
    (void)mem_fail_at(1);
    assert_true(ratelimit_take(r, "write", &route_a, 1, 60, 0).allowed);
    (void)mem_fail_at(0);
    ratelimit_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_in_sixty_seconds_is_exact_in_every_window),
        cmocka_unit_test(answers_say_what_is_left),
        cmocka_unit_test(identities_and_routes_have_buckets_of_their_own),
        cmocka_unit_test(the_scale_multiplies_and_leaves_at_least_one),
        cmocka_unit_test(a_full_table_gives_up_the_bucket_that_was_quiet_longest),
        cmocka_unit_test(without_memory_a_call_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
