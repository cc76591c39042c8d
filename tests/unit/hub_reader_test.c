#include "hub_kit.h"

#include "jobs/hub_internal.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- waking ---- */

/* The best of several: another program may hold the processor now and then. */
static void a_line_reaches_an_idle_reader_at_once(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, ALL_LINES);
    UNTIL(hub_writable(j));
    pump(c);
    uint64_t best = UINT64_MAX;
    for (size_t i = 1; i <= 10; i++) {
        uint64_t start = uv_hrtime();
        lines(j, 1, 10);
        UNTIL(c->n == i);
        uint64_t took = uv_hrtime() - start;
        best = took < best ? took : best;
        kit_pause(&kit, 2 * FANOUT_CLIENT_MS); /* it is idle again */
    }
    assert_true(best < 5 * 1000000);
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
}

/* Readers of another job that only wait, so many that each is left alone for a while after a turn.
 */
static struct client *crowd[FANOUT_CROWD];
static struct hub_job *of_crowd;

static void crowd_comes(void)
{
    of_crowd = job("create:0");
    for (int i = 0; i < FANOUT_CROWD; i++) {
        crowd[i] = client("create:0", 0, ALL_LINES);
        pump(crowd[i]);
    }
}

static void crowd_goes(void)
{
    end_now(of_crowd, "create:0");
    for (int i = 0; i < FANOUT_CROWD; i++)
        client_free(crowd[i]);
}

static void a_busy_reader_of_few_is_told_at_once(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, ALL_LINES);
    pump(c);
    for (unsigned i = 1; i <= 200; i++) { /* far more often than FANOUT_CLIENT_MS */
        lines(j, 1, 10);
        for (int turns = 0; turns < 3; turns++)
            (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
        assert_int_equal(c->n, i);
    }
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
}

static void in_a_crowd_a_busy_reader_is_woken_at_intervals(void **state)
{
    crowd_comes();
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, ALL_LINES);
    pump(c);
    uint64_t start = uv_hrtime(), written = 0;
    while (uv_hrtime() - start < 8 * FANOUT_CLIENT_MS * 1000000ull) {
        lines(j, 1, 10);
        written++;
        kit_pause(&kit, 1);
    }
    UNTIL(c->n == written);
    uint64_t intervals = (uv_hrtime() - start) / (FANOUT_CLIENT_MS * 1000000ull);
    assert_in_range(c->wakes, 2, intervals + 2);
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
    crowd_goes();
}

/* Readers that are woken at different times have intervals of their own. The best of several, as
 * above. */
static void a_reader_is_left_alone_although_others_are_due(void **state)
{
    crowd_comes();
    struct hub_job *j = job("create:1");
    struct client *first = client("create:1", 0, ALL_LINES);
    pump(first);
    uint64_t best = 0;
    for (int i = 0; i < 5; i++) {
        kit_pause(&kit, 2 * FANOUT_CLIENT_MS); /* all are idle */
        lines(j, 1, 10);
        kit_pause(&kit, FANOUT_CLIENT_MS / 2);
        struct client *second = client("create:1", hub_next_id(j), ALL_LINES);
        pump(second);
        while (second->wakes < 2) {
            lines(j, 1, 10);
            kit_pause(&kit, 1);
        }
        best = second->closest_ns > best ? second->closest_ns : best;
        client_free(second);
    }
    assert_true(best > FANOUT_CLIENT_MS * 9 / 10 * 1000000ull);
    end_now(j, "create:1");
    client_free(first);
    crowd_goes();
}

static void many_readers_are_woken_a_few_in_a_turn(void **state)
{
    enum { MANY = 2200 };
    static struct client *many[MANY];
    struct hub_job *j = job("create:1");
    UNTIL(hub_writable(j));
    for (int i = 0; i < MANY; i++) {
        many[i] = client("create:1", 0, ALL_LINES);
        pump(many[i]);
    }
    lines(j, 1, 10);
    int woken = 0, turns = 0;
    for (; woken < MANY && turns < 100; turns++) {
        (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
        int now = 0;
        for (int i = 0; i < MANY; i++)
            now += many[i]->wakes > 0;
        assert_true(now - woken <= FANOUT_PER_TURN);
        woken = now;
    }
    assert_int_equal(woken, MANY);
    assert_in_range(turns, MANY / FANOUT_PER_TURN, MANY / FANOUT_PER_TURN + 5);
    for (int i = 0; i < MANY; i += 2) { /* half of them go, the others are told on */
        client_free(many[i]);
        many[i] = NULL;
    }
    end_now(j, "create:1");
    for (int i = 1; i < MANY; i += 2) {
        UNTIL(many[i]->last == HUB_END);
        has_ids(many[i], 0, 1);
        client_free(many[i]);
    }
}

static void ended_jobs_leave_memory_although_readers_stay(void **state)
{
    enum { JOBS = 3 * HUB_LINGER };
    struct client *c[JOBS];
    for (int i = 0; i < JOBS; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "create:%d", i);
        struct hub_job *j = job(id);
        c[i] = client(id, 0, ALL_LINES);
        c[i]->lazy = true;
        if (i % 2)
            read_once(c[i]);
        lines(j, 3, 10);
        end_now(j, id);
        assert_in_range(hub->ended_count, 0, HUB_LINGER);
    }
    for (int i = 0; i < JOBS; i++) {
        c[i]->lazy = false;
        pump(c[i]);
        UNTIL(c[i]->last == HUB_END);
        has_ids(c[i], 0, 3);
        client_free(c[i]);
    }
}

static void readers_may_go_at_any_time(void **state)
{
    struct hub_job *j = job("create:1");
    lines(j, 5000, 100); /* the beginning is in the store only */
    enum { SOME = 3 * HUB_READS };
    struct client *c[SOME];
    for (int i = 0; i < SOME; i++) {
        c[i] = client("create:1", i % 3 ? 0 : 4990, ALL_LINES);
        c[i]->free_after = i % 4 == 1 ? 3 : 0;
        pump(c[i]); /* asks, or waits for its turn to ask, or is idle */
    }
    for (int i = 0; i < SOME; i += 5) {
        hub_reader_free(c[i]->r);
        c[i]->r = NULL;
    }
    lines(j, 1, 10); /* the idle ones are due now */
    for (int i = 3; i < SOME; i += 5) {
        hub_reader_free(c[i]->r);
        c[i]->r = NULL;
    }
    UNTIL(c[1]->n == 3 && c[2]->n == 5001 && c[SOME - 1]->n > 0);
    lines(j, 1, 10);
    end(j, "create:1");
    for (int i = 2; i < SOME; i += 5) { /* while they cool */
        hub_reader_free(c[i]->r);
        c[i]->r = NULL;
    }
    UNTIL(ends == 1);
    for (int i = 0; i < SOME; i++) {
        if (c[i]->r)
            UNTIL(!c[i]->r || c[i]->last == HUB_END);
        client_free(c[i]);
    }
    assert_int_equal(hub_readers(hub), 0);
}

static void a_reader_that_takes_its_answer_later_gets_it(void **state)
{
    struct hub_job *j = job("create:1");
    lines(j, 5000, 100);
    end_now(j, "create:1");
    enum { SOME = 60 }; /* their answers together are more than is kept */
    struct client *c[SOME];
    for (int i = 0; i < SOME; i++) {
        c[i] = client("create:1", 0, ALL_LINES);
        c[i]->lazy = true;
    }
    bool more = true;
    while (more) {
        more = false;
        for (int i = 0; i < SOME; i++) {
            if (c[i]->last != HUB_END)
                pump(c[i]);
            assert_in_range(hub->kept_bytes, 0, HUB_KEPT);
            more = more || c[i]->last != HUB_END;
        }
        kit_pause(&kit, 1);
    }
    for (int i = 0; i < SOME; i++) {
        has_ids(c[i], 0, 5000);
        client_free(c[i]);
    }
}

static void a_busy_store_is_asked_again(void **state)
{
    struct hub_job *j = job("create:1");
    lines(j, 10, 10);
    end_now(j, "create:1");
    for (int i = 0; i < STORE_OPS + 100; i++)
        store_reserve(kit.store, "create:1", 1000, NULL, NULL);
    struct client *c = client("create:1", 0, ALL_LINES);
    pump(c);
    UNTIL(c->last == HUB_END);
    has_ids(c, 0, 10);
    client_free(c);
}

/* ---- everything at random ---- */

static unsigned seed = 7;

static unsigned any(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static void any_reader_at_any_time_gets_every_event_once(void **state)
{
    enum { SOME = 40, STEPS = 3000 };
    struct client *c[SOME] = {0};
    uint64_t from[SOME];
    struct hub_job *j = job("create:1");
    UNTIL(hub_writable(j));
    for (int step = 0; step < STEPS; step++) {
        unsigned i = any(SOME);
        if (c[i] && any(20) == 0) {
            client_free(c[i]);
            c[i] = NULL;
        } else if (!c[i] && any(4) == 0) {
            from[i] = any((unsigned)hub_next_id(j) + 1);
            c[i] = client("create:1", from[i], ALL_LINES);
        } else if (c[i]) {
            c[i]->lazy = any(3) == 0;
            c[i]->max = 1 + any(70000);
            read_once(c[i]);
        }
        lines(j, any(30), any(300));
        if (any(3) == 0)
            (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
        if (any(100) == 0)
            kit_pause(&kit, any(60));
    }
    uint64_t last = hub_next_id(j);
    end(j, "create:1");
    for (int i = 0; i < SOME; i++) {
        if (!c[i])
            continue;
        c[i]->lazy = false;
        pump(c[i]);
        UNTIL(c[i]->last == HUB_END);
        assert_int_equal(c[i]->gaps, 0);
        has_ids(c[i], from[i], last);
        client_free(c[i]);
    }
    UNTIL(ends == 1);
}

static void readers_that_remain_at_the_close_see_the_end(void **state)
{
    struct hub_job *j = job("create:1");
    end_now(j, "create:1");
    struct client *all = client(NULL, UINT64_MAX, EVENT_ALL_KINDS);
    pump(all);
    struct client *asking = client("create:1", 0, EVENT_ALL_KINDS);
    pump(asking);
    assert_int_equal(all->last, HUB_WAIT);
    close_hub();
    assert_int_equal(all->last, HUB_END);
    assert_int_equal(asking->last, HUB_END);
    client_free(all);
    client_free(asking);
}

#define T(name) cmocka_unit_test_setup_teardown(name, hub_setup, hub_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_line_reaches_an_idle_reader_at_once),
        T(a_busy_reader_of_few_is_told_at_once),
        T(in_a_crowd_a_busy_reader_is_woken_at_intervals),
        T(a_reader_is_left_alone_although_others_are_due),
        T(many_readers_are_woken_a_few_in_a_turn),
        T(ended_jobs_leave_memory_although_readers_stay),
        T(readers_may_go_at_any_time),
        T(a_reader_that_takes_its_answer_later_gets_it),
        T(a_busy_store_is_asked_again),
        T(any_reader_at_any_time_gets_every_event_once),
        T(readers_that_remain_at_the_close_see_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
