#include "hub_kit.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- one job ---- */

static void a_live_reader_and_a_late_one_get_the_same(void **state)
{
    struct hub_job *j = job("create:1");
    assert_true(hub_is_live(hub, "create:1"));
    assert_int_equal(hub_readers(hub), 0);
    struct client *live = client("create:1", 0, EVENT_DEFAULT_KINDS);
    pump(live);
    assert_int_equal(live->last, HUB_WAIT);
    say(j, EVENT_STATUS, "{\"event\":\"start\"}");
    assert_int_equal(live->n, 0); /* never from inside a call */
    UNTIL(live->n == 1);
    lines(j, 500, 100);
    struct client *late = client("create:1", 0, EVENT_DEFAULT_KINDS);
    pump(late);
    has_ids(late, 0, 500);
    struct client *resumed = client("create:1", 400, EVENT_DEFAULT_KINDS);
    end_now(j, "create:1");
    assert_false(hub_is_live(hub, "create:1"));
    UNTIL(live->last == HUB_END && late->last == HUB_END);
    pump(resumed);
    UNTIL(resumed->last == HUB_END);
    has_ids(live, 0, 501);
    has_ids(late, 0, 501);
    has_ids(resumed, 400, 501);
    assert_int_equal(hub_readers(hub), 3);
    assert_int_equal(hub_reader_position(live->r), 502);
    struct client *replay = client("create:1", 0, EVENT_DEFAULT_KINDS);
    replay->max = 1000;
    pump(replay);
    UNTIL(replay->last == HUB_END);
    has_ids(replay, 0, 501);
    assert_string_equal(replay->json, live->json);
    assert_string_equal(replay->job, "create:1");
    pump(replay);
    assert_int_equal(replay->last, HUB_END);
    struct client *behind = client("create:1", 502, EVENT_DEFAULT_KINDS);
    pump(behind);
    UNTIL(behind->last == HUB_END);
    assert_int_equal(behind->n, 0);
    struct client *all[] = {live, late, resumed, replay, behind};
    for (int i = 0; i < 5; i++)
        client_free(all[i]);
    assert_int_equal(hub_readers(hub), 0);
}

static void a_slow_reader_misses_nothing(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *slow = client("create:1", 0, EVENT_DEFAULT_KINDS);
    slow->lazy = true;
    slow->max = 1;
    unsigned written = 0;
    for (int i = 0; i < 40; i++) { /* several times what is kept in memory */
        lines(j, 300, 100);
        written += 300;
        if (slow->last != HUB_END)
            read_once(slow);
        (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
    }
    assert_true(slow->n < written);
    slow->lazy = false;
    slow->max = 5000;
    end_now(j, "create:1");
    pump(slow);
    UNTIL(slow->last == HUB_END);
    has_ids(slow, 0, written);
    client_free(slow);
}

static void the_end_shows_only_after_it_is_kept(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, EVENT_MASK(EVENT_STDOUT));
    lines(j, 3, 10);
    pump(c);
    end(j, "create:1");
    assert_true(hub_is_live(hub, "create:1"));
    assert_false(hub_writable(j));
    pump(c);
    assert_int_equal(c->last, HUB_WAIT);
    assert_int_equal(c->n, 3);
    while (ends == 0) {
        assert_int_equal(c->n, 3);
        (void)uv_run(&kit.loop, UV_RUN_ONCE);
    }
    UNTIL(c->last == HUB_END);
    has_ids(c, 0, 3); /* the terminal status, although its kind was not asked for */
    assert_int_equal(c->status, 1);
    assert_true(kit_get(&kit, "create:1"));
    assert_string_equal(kit.state, "succeeded");
    client_free(c);
}

static void kinds_are_filtered_and_hide_no_end(void **state)
{
    struct hub_job *j = job("create:1");
    say(j, EVENT_STATUS, "{\"event\":\"start\"}");
    say(j, EVENT_STDOUT, "a");
    say(j, EVENT_STDERR, "b");
    say(j, EVENT_STAGE, "c");
    say(j, EVENT_STDERR, "d");
    struct client *live = client("create:1", 0, EVENT_MASK(EVENT_STDERR));
    pump(live);
    assert_int_equal(live->n, 2);
    end_now(j, "create:1");
    UNTIL(live->last == HUB_END);
    struct client *late = client("create:1", 0, EVENT_MASK(EVENT_STDERR));
    pump(late);
    UNTIL(late->last == HUB_END);
    struct client *both[] = {live, late};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(both[i]->n, 3);
        assert_int_equal(both[i]->ids[1], 4);
        assert_int_equal(both[i]->ids[2], 5);
        assert_int_equal(both[i]->status, 1);
        client_free(both[i]);
    }
}

static void of_several_progress_events_only_the_last_is_emitted(void **state)
{
    struct hub_job *j = job("create:1");
    for (int i = 0; i < 5; i++) {
        hub_append(j, EVENT_PROGRESS, "p", 1, "{\"n\":1}");
        say(j, EVENT_STDOUT, "line");
    }
    struct client *c = client("create:1", 0, EVENT_DEFAULT_KINDS);
    pump(c);
    const uint64_t expected[] = {1, 3, 5, 7, 8, 9};
    assert_int_equal(c->n, 6);
    assert_memory_equal(c->ids, expected, sizeof expected);
    assert_int_equal(hub_reader_position(c->r), 10);
    hub_append(j, EVENT_PROGRESS, "p", 1, NULL);
    UNTIL(c->n == 7);
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
}

static void ids_missing_after_a_crash_are_a_gap(void **state)
{
    assert_true(kit_create(&kit, "create:1"));
    assert_true(kit_append(&kit, kit_block("create:1", 0, 1, 5, 10)));
    struct client *waiting = client("create:1", 0, ALL_LINES); /* before it is taken up again */
    struct hub_job *j = open_job("create:1", 1000, 1000);
    pump(waiting);
    UNTIL(waiting->last == HUB_WAIT && waiting->n >= 5);
    struct client *live = client("create:1", 2, ALL_LINES);
    pump(live);
    struct client *quiet = client("create:1", 0, EVENT_MASK(EVENT_STDOUT));
    pump(quiet);
    say(j, EVENT_STDOUT, "after");
    end_now(j, "create:1");
    UNTIL(waiting->last == HUB_END && live->last == HUB_END && quiet->last == HUB_END);
    struct client *late = client("create:1", 0, ALL_LINES);
    pump(late);
    UNTIL(late->last == HUB_END);
    struct client *three[] = {waiting, live, late};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(three[i]->gaps, 1);
        assert_int_equal(three[i]->gap_from, 5);
        assert_int_equal(three[i]->gap_to, 999);
        assert_int_equal(three[i]->n, i == 1 ? 6 : 8);
        assert_int_equal(three[i]->ids[three[i]->n - 1], 1001);
        assert_non_null(strstr(three[i]->json, "success"));
        client_free(three[i]);
    }
    assert_int_equal(quiet->n, 7);
    client_free(quiet);
}

static void blocks_that_were_not_kept_are_a_gap_for_those_who_come_later(void **state)
{
    struct hub_job *j = open_job("create:1", 0, EVENT_RESERVE); /* unknown to the store */
    struct client *live = client("create:1", 0, ALL_LINES);
    pump(live);
    lines(j, 10, 10);
    kit_pause(&kit, 3 * EVENT_BLOCK_MS); /* sealed and refused */
    assert_true(kit_create(&kit, "create:1"));
    lines(j, 10, 10);
    end_now(j, "create:1");
    UNTIL(live->last == HUB_END);
    has_ids(live, 0, 20);
    struct client *late = client("create:1", 3, ALL_LINES);
    pump(late);
    UNTIL(late->last == HUB_END);
    assert_int_equal(late->gaps, 1);
    assert_int_equal(late->gap_from, 3);
    assert_int_equal(late->gap_to, 9);
    assert_int_equal(late->n, 12);
    client_free(live);
    client_free(late);
}

static void a_running_jobs_lost_blocks_are_a_gap_too(void **state)
{
    struct hub_job *j = open_job("create:1", 0, EVENT_RESERVE);
    lines(j, 3000, 100); /* more than memory keeps; the store refuses all of it */
    kit_pause(&kit, 3 * EVENT_BLOCK_MS);
    assert_true(kit_create(&kit, "create:1"));
    struct client *late = client("create:1", 0, ALL_LINES);
    pump(late);
    UNTIL(late->n > 0 && late->last == HUB_WAIT);
    assert_int_equal(late->gaps, 1);
    assert_int_equal(late->gap_from, 0);
    assert_true(late->gap_to > 500 && late->gap_to < 2999);
    assert_int_equal(late->ids[late->n - 1], 2999);
    assert_int_equal(late->n, 2999 - late->gap_to + 1);
    end_now(j, "create:1");
    client_free(late);
}

/* ---- numbers ---- */

static void events_are_hidden_until_their_numbers_are_reserved(void **state)
{
    assert_true(kit_create(&kit, "create:1"));
    struct client *c = client("create:1", 0, ALL_LINES);
    struct hub_job *j = open_job("create:1", 0, 2);
    assert_false(hub_writable(j));
    lines(j, 5, 10);
    pump(c);
    assert_int_equal(c->n, 2);
    assert_int_equal(c->last, HUB_WAIT);
    UNTIL(c->n == 5);
    assert_true(hub_writable(j));
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    has_ids(c, 0, 5);
    client_free(c);
}

static void when_no_numbers_can_be_reserved_lines_are_lost_and_stages_kept(void **state)
{
    uint64_t mark = HUB_TAIL + 10;
    struct hub_job *j = open_job("create:1", 0, mark); /* unknown to the store */
    hub_on_ready(j, on_ready, NULL);
    assert_false(hub_writable(j));
    UNTIL(ready_calls == 1); /* the reservation failed: the child need not stand still */
    assert_true(hub_writable(j));
    assert_true(kit_create(&kit, "create:1"));
    struct client *c = client("create:1", 0, EVENT_DEFAULT_KINDS);
    pump(c);
    lines(j, 30, 10); /* 10 fit */
    say(j, EVENT_STAGE, "stage");
    assert_int_equal(hub_next_id(j), 12);
    UNTIL(c->n == 12);
    assert_int_equal(c->gaps, 1);
    assert_int_equal(c->gap_from, 10);
    assert_int_equal(c->gap_to, 10);
    lines(j, 5, 10);
    assert_int_equal(hub_next_id(j), 12);
    UNTIL((lines(j, 1, 10), hub_next_id(j) > 12)); /* asked again in HUB_RETRY_MS */
    UNTIL(c->gaps == 2);
    assert_int_equal(c->gap_from, 12);
    assert_true(c->gap_to >= 16);
    assert_true(hub_next_id(j) >= c->gap_to + 2);
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
}

static void more_numbers_are_reserved_before_they_run_out(void **state)
{
    struct hub_job *j = job("create:1");
    hub_on_ready(j, on_ready, NULL);
    for (unsigned written = 0; written < 2 * EVENT_RESERVE; written += 1000) {
        lines(j, 1000, 0);
        if (!hub_writable(j)) {
            int before = ready_calls;
            UNTIL(ready_calls > before && hub_writable(j));
        }
    }
    end_now(j, "create:1");
    struct client *c = client("create:1", 2 * EVENT_RESERVE - 100, ALL_LINES);
    pump(c);
    UNTIL(c->last == HUB_END);
    assert_int_equal(c->gaps, 0);
    assert_true(c->n > 100);
    client_free(c);
}

static void a_writer_waits_while_the_store_is_behind(void **state)
{
    struct hub_job *j = job("create:1"), *other = job("create:2");
    hub_on_ready(j, on_ready, NULL);
    hub_on_ready(other, on_ready, NULL);
    UNTIL(hub_writable(j)); /* gids are reserved */
    ready_calls = 0;
    unsigned n = 0;
    for (; hub_writable(j) && n < 10000; n++)
        lines(j, 1, 4000);
    assert_true(n * 4000 > STORE_QUEUE_HIGH / 2 && n < 10000);
    assert_false(hub_writable(other));
    UNTIL(ready_calls == 2);
    assert_in_range(ready_backlog, 0, STORE_QUEUE_LOW);
    assert_true(hub_writable(j) && hub_writable(other));
    end_now(j, "create:1");
    end_now(other, "create:2");
}

static void without_memory_events_are_lost_with_a_gap(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, ALL_LINES);
    lines(j, 1, 10);
    kit_pause(&kit, 3 * EVENT_BLOCK_MS); /* the block is sealed, the store's thread is quiet */
    (void)mem_fail_at(1);
    lines(j, 1, 10);
    (void)mem_fail_at(0);
    lines(j, 1, 10);
    pump(c);
    assert_int_equal(c->n, 3);
    assert_int_equal(c->gap_from, 1);
    assert_int_equal(c->gap_to, 1);
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
    struct err e;
    (void)mem_fail_at(1);
    assert_null(hub_reader_new(hub, "create:1", 0, ALL_LINES, on_ready, NULL, &e));
    (void)mem_fail_at(1);
    assert_null(hub_open(hub, "create:1", 0, 0, &e));
    (void)mem_fail_at(1);
    assert_null(hub_new(&kit.loop, kit.store, &e));
    (void)mem_fail_at(0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, hub_setup, hub_teardown)
    const struct CMUnitTest tests[] = {
        T(a_live_reader_and_a_late_one_get_the_same),
        T(a_slow_reader_misses_nothing),
        T(the_end_shows_only_after_it_is_kept),
        T(kinds_are_filtered_and_hide_no_end),
        T(of_several_progress_events_only_the_last_is_emitted),
        T(ids_missing_after_a_crash_are_a_gap),
        T(blocks_that_were_not_kept_are_a_gap_for_those_who_come_later),
        T(a_running_jobs_lost_blocks_are_a_gap_too),
        T(events_are_hidden_until_their_numbers_are_reserved),
        T(when_no_numbers_can_be_reserved_lines_are_lost_and_stages_kept),
        T(more_numbers_are_reserved_before_they_run_out),
        T(a_writer_waits_while_the_store_is_behind),
        T(without_memory_events_are_lost_with_a_gap),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
