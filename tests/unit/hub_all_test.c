/* Readers of all jobs. */
#include "hub_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_reader_of_all_jobs_gets_each_event_once_in_order(void **state)
{
    struct hub_job *a = job("create:1"), *b = job("prune:2");
    UNTIL(hub_writable(a));
    struct client *live = client(NULL, UINT64_MAX, EVENT_ALL_KINDS);
    pump(live);
    uint64_t first = hub_reader_position(live->r);
    for (int i = 0; i < 300; i++) {
        lines(i % 3 ? a : b, 1, 50);
        if (i % 50 == 0)
            (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
    }
    UNTIL(live->n == 300);
    struct client *late = client(NULL, first + 10, EVENT_ALL_KINDS);
    pump(late);
    UNTIL(late->n == 290);
    assert_int_equal(late->last, HUB_WAIT);
    end_now(a, "create:1");
    UNTIL(late->n == 291);
    assert_string_equal(late->job, "create:1");
    lines(b, 1, 10);
    end_now(b, "prune:2");
    UNTIL(late->n == 293 && live->n == 303);
    assert_string_equal(late->job, "prune:2");
    has_ids(live, first, first + 302);
    has_ids(late, first + 10, first + 302);
    assert_int_equal(late->status, 2);
    struct client *ends_only = client(NULL, first, EVENT_MASK(EVENT_STAGE));
    pump(ends_only);
    UNTIL(ends_only->n == 2);
    client_free(live);
    client_free(late);
    client_free(ends_only);
}

static void a_slow_reader_of_all_jobs_goes_on_from_the_store(void **state)
{
    struct hub_job *a = job("create:1"), *b = job("prune:2");
    UNTIL(hub_writable(a));
    struct client *slow = client(NULL, UINT64_MAX, EVENT_ALL_KINDS);
    pump(slow);
    slow->lazy = true;
    uint64_t first = hub_reader_position(slow->r);
    for (int i = 0; i < 6000; i++)
        lines(i % 5 ? a : b, 1, 50);
    slow->lazy = false;
    slow->max = 3000;
    pump(slow);
    for (int i = 0; i < 1000; i++) {
        lines(i % 5 ? b : a, 1, 50);
        if (i % 20 == 0)
            (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
    }
    UNTIL(slow->n == 7000);
    has_ids(slow, first, first + 6999);
    end_now(a, "create:1");
    end_now(b, "prune:2");
    client_free(slow);
}

static void a_reader_of_all_jobs_sees_an_end_only_after_it_is_kept(void **state)
{
    struct hub_job *a = job("create:1"), *b = job("prune:2");
    UNTIL(hub_writable(a));
    struct client *c = client(NULL, UINT64_MAX, EVENT_ALL_KINDS);
    pump(c);
    end(a, "create:1");
    lines(b, 1, 10);
    while (ends == 0) {
        pump(c);
        assert_int_equal(c->n, 0);
        (void)uv_run(&kit.loop, UV_RUN_ONCE);
    }
    UNTIL(c->n == 2);
    assert_int_equal(c->status, 1);
    end_now(b, "prune:2");
    client_free(c);
}

static void what_is_not_stored_yet_is_in_its_place_among_all_jobs(void **state)
{
    struct hub_job *a = job("create:1"), *b = job("prune:2");
    UNTIL(hub_writable(a));
    struct client *mark = client(NULL, UINT64_MAX, EVENT_ALL_KINDS);
    uint64_t first = hub_reader_position(mark->r);
    client_free(mark); /* so that memory keeps nothing for such readers */
    lines(a, 3, 10);
    lines(b, 400, 100); /* sealed, while a's block is open */
    lines(a, 1, 10);
    struct client *c = client(NULL, first, EVENT_ALL_KINDS);
    pump(c);
    lines(b, 2, 10);
    UNTIL(c->n == 406);
    has_ids(c, first, first + 405);
    end_now(a, "create:1");
    end_now(b, "prune:2");
    client_free(c);
}

static void what_was_not_kept_is_passed_over_among_all_jobs(void **state)
{
    struct hub_job *lost = open_job("create:1", 0, EVENT_RESERVE); /* unknown to the store */
    UNTIL(hub_writable(lost));
    struct client *mark = client(NULL, UINT64_MAX, EVENT_ALL_KINDS);
    uint64_t first = hub_reader_position(mark->r);
    client_free(mark);
    lines(lost, 10, 10);
    struct client *c = client(NULL, first, EVENT_ALL_KINDS);
    pump(c);
    UNTIL(hub_reader_position(c->r) == first + 10);
    assert_int_equal(c->n, 0);
    assert_true(kit_create(&kit, "create:1"));
    lines(lost, 3, 10);
    UNTIL(c->n == 3);
    has_ids(c, first + 10, first + 12);
    end_now(lost, "create:1");
    client_free(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, hub_setup, hub_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_reader_of_all_jobs_gets_each_event_once_in_order),
        T(a_slow_reader_of_all_jobs_goes_on_from_the_store),
        T(a_reader_of_all_jobs_sees_an_end_only_after_it_is_kept),
        T(what_is_not_stored_yet_is_in_its_place_among_all_jobs),
        T(what_was_not_kept_is_passed_over_among_all_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
