#include "jobs/hub.h"

#include "base/mem.h"
#include "limits.h"
#include "store_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IDS_MAX = 200000, ALL_LINES = EVENT_MASK(EVENT_STDOUT) | EVENT_MASK(EVENT_GAP) };

static struct kit k;
static struct hub *hub;
static int opened, ends, ready_calls;
static bool end_ok;

/* A reader and what it got. */
struct client {
    struct hub_reader *r;
    enum hub_next last;
    uint64_t *ids; /* per job ids, or gids for all jobs */
    size_t n, gaps, status;
    uint64_t gap_from, gap_to;
    char job[128], json[1024];
    int wakes;
    uint64_t woken_ns, closest_ns; /* shortest time between two wakes */
    size_t max;
    bool all, lazy;    /* lazy: does not read when woken */
    size_t free_after; /* frees the reader inside this emission; 0: never */
};

static void on_event(void *arg, const char *job, const struct event *ev)
{
    struct client *c = arg;
    uint64_t id = c->all ? ev->gid : ev->id;
    if (c->n > 0)
        assert_true(id > c->ids[c->n - 1]);
    assert_true(c->n < IDS_MAX);
    c->ids[c->n++] = id;
    c->status += ev->kind == EVENT_STATUS;
    (void)snprintf(c->job, sizeof c->job, "%s", job);
    (void)snprintf(c->json, sizeof c->json, "%.*s", (int)ev->json_len, ev->json);
    if (ev->kind == EVENT_GAP) {
        unsigned long from, to;
        c->gaps++;
        assert_int_equal(ev->gid, 0);
        assert_int_equal(
            sscanf(strstr(c->json, "\"data\""), "\"data\":{\"from\":%lu,\"to\":%lu}}", &from, &to),
            2);
        c->gap_from = from;
        c->gap_to = to;
        assert_int_equal(id, to);
    }
    if (c->n == c->free_after) {
        hub_reader_free(c->r);
        c->r = NULL;
    }
}

static void pump(struct client *c)
{
    do
        c->last = c->r ? hub_reader_next(c->r, c->max, on_event, c) : HUB_END;
    while (c->last == HUB_MORE);
}

static void on_wake(void *arg)
{
    struct client *c = arg;
    uint64_t now = uv_hrtime();
    if (c->wakes++ > 0 && now - c->woken_ns < c->closest_ns)
        c->closest_ns = now - c->woken_ns;
    c->woken_ns = now;
    if (!c->lazy)
        pump(c);
}

static struct client *client(const char *job, uint64_t from, unsigned kinds)
{
    struct client *c = mem_zalloc(sizeof *c);
    c->ids = mem_alloc(sizeof *c->ids * IDS_MAX); /* untouched pages cost nothing */
    c->max = LIMIT_STREAM_CHUNK;
    c->all = job == NULL;
    c->closest_ns = UINT64_MAX;
    struct err e;
    c->r = hub_reader_new(hub, job, from, kinds, on_wake, c, &e);
    assert_non_null(c->r);
    return c;
}

static void client_free(struct client *c)
{
    hub_reader_free(c->r);
    mem_free(c->ids);
    mem_free(c);
}

static void on_tick(uv_timer_t *t)
{
}

/* Runs the loop until the condition holds; a wait without an end fails. */
#define UNTIL(condition) \
    do { \
        uv_timer_t tick_; \
        (void)uv_timer_init(&k.loop, &tick_); \
        (void)uv_timer_start(&tick_, on_tick, 5, 5); \
        uint64_t end_ = uv_hrtime() + KIT_WAIT_MS * 1000000ull; \
        while (!(condition) && uv_hrtime() < end_) \
            (void)uv_run(&k.loop, UV_RUN_ONCE); \
        uv_close((uv_handle_t *)&tick_, NULL); \
        (void)uv_run(&k.loop, UV_RUN_NOWAIT); \
        assert_true(condition); \
    } while (0)

static int setup(void **state)
{
    struct err e;
    kit_make(&k);
    assert_true(kit_open(&k));
    hub = hub_new(&k.loop, k.store, &e);
    assert_non_null(hub);
    opened = ends = ready_calls = 0;
    return 0;
}

static int closes;

static void on_closed(void *arg)
{
    closes++;
}

static void close_hub(void)
{
    closes = 0;
    hub_close(hub, on_closed, NULL);
    UNTIL(closes == 1);
    hub = NULL;
}

static int teardown(void **state)
{
    if (opened != ends)
        return -1; /* the test failed on its way */
    if (hub)
        close_hub();
    kit_done(&k);
    return 0;
}

static struct hub_job *open_job(const char *id, uint64_t first, uint64_t mark)
{
    struct err e;
    struct hub_job *j = hub_open(hub, id, first, mark, &e);
    assert_non_null(j);
    opened++;
    return j;
}

static struct hub_job *job(const char *id)
{
    assert_true(kit_create(&k, id));
    return open_job(id, 0, EVENT_RESERVE);
}

static void say(struct hub_job *j, enum event_kind kind, const char *line)
{
    hub_append(j, kind, line, strlen(line), NULL);
}

static void lines(struct hub_job *j, unsigned count, size_t width)
{
    static char line[4096];
    memset(line, 'x', sizeof line);
    for (unsigned i = 0; i < count; i++)
        hub_append(j, EVENT_STDOUT, line, width, NULL);
}

static void on_end(void *arg, bool ok, const struct err *e)
{
    ends++;
    end_ok = ok;
}

static const char success[] = "{\"event\":\"success\",\"state\":\"succeeded\"}";

static void end(struct hub_job *j, const char *id)
{
    struct store_job row = {
        .id = id, .kind = "create", .state = "succeeded", .record = "{}", .terminal = true};
    uint64_t last = hub_next_id(j);
    hub_end(j, success, sizeof success - 1, &row, on_end, NULL);
    assert_true(row.last_event_id >= last);
}

static void end_now(struct hub_job *j, const char *id)
{
    int before = ends;
    end(j, id);
    UNTIL(ends == before + 1);
    assert_true(end_ok);
}

/* It has exactly the ids from first to last. */
static void has_ids(const struct client *c, uint64_t first, uint64_t last)
{
    assert_int_equal(c->n, last - first + 1);
    for (size_t i = 0; i < c->n; i++)
        assert_int_equal(c->ids[i], first + i);
}

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
            slow->last = hub_reader_next(slow->r, slow->max, on_event, slow);
        (void)uv_run(&k.loop, UV_RUN_NOWAIT);
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
        (void)uv_run(&k.loop, UV_RUN_ONCE);
    }
    UNTIL(c->last == HUB_END);
    has_ids(c, 0, 3); /* the terminal status, although its kind was not asked for */
    assert_int_equal(c->status, 1);
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "succeeded");
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
    assert_true(kit_create(&k, "create:1"));
    assert_true(kit_append(&k, kit_block("create:1", 0, 1, 5, 10)));
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
    kit_pause(&k, 3 * EVENT_BLOCK_MS); /* sealed and refused */
    assert_true(kit_create(&k, "create:1"));
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
    kit_pause(&k, 3 * EVENT_BLOCK_MS);
    assert_true(kit_create(&k, "create:1"));
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
    assert_true(kit_create(&k, "create:1"));
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

static void on_ready(void *arg)
{
    ready_calls++;
}

static void when_no_numbers_can_be_reserved_lines_are_lost_and_stages_kept(void **state)
{
    uint64_t mark = HUB_TAIL + 10;
    struct hub_job *j = open_job("create:1", 0, mark); /* unknown to the store */
    hub_on_ready(j, on_ready, NULL);
    assert_false(hub_writable(j));
    UNTIL(ready_calls == 1); /* the reservation failed: the child need not stand still */
    assert_true(hub_writable(j));
    assert_true(kit_create(&k, "create:1"));
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
    assert_true(store_backlog(k.store) <= STORE_QUEUE_LOW);
    assert_true(hub_writable(j) && hub_writable(other));
    end_now(j, "create:1");
    end_now(other, "create:2");
}

static void without_memory_events_are_lost_with_a_gap(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, ALL_LINES);
    lines(j, 1, 10);
    kit_pause(&k, 3 * EVENT_BLOCK_MS); /* the block is sealed, the store's thread is quiet */
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
    assert_null(hub_reader_new(hub, "create:1", 0, ALL_LINES, on_wake, NULL, &e));
    (void)mem_fail_at(1);
    assert_null(hub_open(hub, "create:1", 0, 0, &e));
    (void)mem_fail_at(1);
    assert_null(hub_new(&k.loop, k.store, &e));
    (void)mem_fail_at(0);
}

/* ---- waking ---- */

static void a_line_reaches_an_idle_reader_at_once_and_a_busy_one_at_intervals(void **state)
{
    struct hub_job *j = job("create:1");
    struct client *c = client("create:1", 0, ALL_LINES);
    UNTIL(hub_writable(j));
    pump(c);
    uint64_t start = uv_hrtime();
    lines(j, 1, 10);
    UNTIL(c->n == 1);
    assert_true(uv_hrtime() - start < 20 * 1000000); /* 5 ms on a quiet machine */
    uint64_t written = 1;
    while (uv_hrtime() - start < 400 * 1000000) {
        lines(j, 1, 10);
        written++;
        kit_pause(&k, 1);
    }
    UNTIL(c->n == written);
    assert_true(c->wakes >= 4 && c->wakes <= 10);
    assert_true(c->closest_ns >= (FANOUT_CLIENT_MS - 2) * 1000000ull);
    end_now(j, "create:1");
    UNTIL(c->last == HUB_END);
    client_free(c);
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
    uint64_t start = uv_hrtime();
    for (; woken < MANY && turns < 100; turns++) {
        (void)uv_run(&k.loop, UV_RUN_NOWAIT);
        int now = 0;
        for (int i = 0; i < MANY; i++)
            now += many[i]->wakes > 0;
        assert_true(now - woken <= FANOUT_PER_TURN);
        woken = now;
    }
    assert_int_equal(woken, MANY);
    assert_true(turns >= MANY / FANOUT_PER_TURN);
    assert_true(uv_hrtime() - start < 400 * 1000000ull); /* 88 ms are allowed for so many */
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
            c[i]->last = hub_reader_next(c[i]->r, 1, on_event, c[i]);
        lines(j, 3, 10);
        end_now(j, id);
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
            more = more || c[i]->last != HUB_END;
        }
        kit_pause(&k, 1);
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
        store_reserve(k.store, "create:1", 1000, NULL, NULL);
    struct client *c = client("create:1", 0, ALL_LINES);
    pump(c);
    UNTIL(c->last == HUB_END);
    has_ids(c, 0, 10);
    client_free(c);
}

/* ---- all jobs ---- */

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
            (void)uv_run(&k.loop, UV_RUN_NOWAIT);
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
            (void)uv_run(&k.loop, UV_RUN_NOWAIT);
    }
    UNTIL(slow->n == 7000);
    has_ids(slow, first, first + 6999);
    end_now(a, "create:1");
    end_now(b, "prune:2");
    client_free(slow);
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
            c[i]->last = hub_reader_next(c[i]->r, c[i]->max, on_event, c[i]);
        }
        lines(j, any(30), any(300));
        if (any(3) == 0)
            (void)uv_run(&k.loop, UV_RUN_NOWAIT);
        if (any(100) == 0)
            kit_pause(&k, any(60));
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
        T(a_line_reaches_an_idle_reader_at_once_and_a_busy_one_at_intervals),
        T(many_readers_are_woken_a_few_in_a_turn),
        T(ended_jobs_leave_memory_although_readers_stay),
        T(readers_may_go_at_any_time),
        T(a_reader_that_takes_its_answer_later_gets_it),
        T(a_busy_store_is_asked_again),
        T(a_reader_of_all_jobs_gets_each_event_once_in_order),
        T(a_slow_reader_of_all_jobs_goes_on_from_the_store),
        T(any_reader_at_any_time_gets_every_event_once),
        T(readers_that_remain_at_the_close_see_the_end),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
