#include "store_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kit k;

static int fresh(void **state)
{
    kit_make(&k);
    return 0;
}

static int gone(void **state)
{
    kit_done(&k);
    return 0;
}

static void reopen(void)
{
    kit_close(&k);
    assert_true(kit_open(&k));
}

/* ---- pages ---- */
static void events_are_paged_from_any_id_in_any_size(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_true(kit_append(&k, kit_block("create:1", 0, 1, 10, 50)));
    assert_true(kit_append(&k, kit_block("create:1", 10, 11, 1, 50)));
    assert_true(kit_append(&k, kit_block("create:1", 15, 20, 10, 50))); /* 11…14 are missing */
    for (uint64_t from = 0; from < 30; from++) {
        for (size_t max = 0; max < 3000; max += 130) {
            const char *text = kit_events(&k, "create:1", from, max);
            uint64_t want = from < 11 ? from : from < 15 ? 15 : from;
            if (from > 24) {
                assert_string_equal(text, "");
                continue;
            }
            size_t n = kit_count(text);
            assert_true(n >= 1 && (n == 1 || strlen(text) <= max));
            for (size_t i = 0; i < n; i++, want = want == 10 ? 15 : want + 1)
                assert_int_equal(kit_number(text, false, i, 0), want);
        }
    }
    assert_string_equal(kit_events(&k, "create:2", 0, 1000), "");
    assert_string_equal(kit_events(&k, "create:1", UINT64_MAX, 1000), "");
}

static void blocks_of_no_job_and_blocks_kept_already_are_refused(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_false(kit_append(&k, kit_block("create:2", 0, 1, 1, 10)));
    assert_int_equal(k.err.code, ERR_NOT_FOUND);
    assert_true(kit_append(&k, kit_block("create:1", 0, 1, 1, 10)));
    assert_false(kit_append(&k, kit_block("create:1", 0, 1, 1, 10)));
    assert_int_equal(k.err.code, ERR_ALREADY_EXISTS);
    assert_true(kit_append(&k, kit_block("create:1", 5, 5, 0, 10))); /* an empty one is nothing */
    assert_int_equal(kit_count(kit_events(&k, "create:1", 0, 1000)), 1);
    assert_int_equal(store_backlog(k.store), 0);
}

/* Jobs write side by side, each in blocks of its own; gids are given out in turn. */
static void interleave(unsigned jobs, uint64_t gids, unsigned longest)
{
    struct block *open[80] = {0};
    uint64_t next[80] = {0};
    unsigned room[80] = {0};
    for (uint64_t gid = 1; gid <= gids; gid++) {
        unsigned j = (unsigned)rand() % jobs;
        char id[32], line[40];
        (void)snprintf(id, sizeof id, "create:%u", j);
        if (!open[j]) {
            open[j] = block_new(id, next[j]);
            room[j] = 1 + (unsigned)rand() % longest;
        }
        (void)snprintf(line, sizeof line, "line %llu", (unsigned long long)gid);
        assert_true(block_add(open[j], EVENT_STDOUT, gid, 1, line, strlen(line), NULL));
        next[j]++;
        if (--room[j])
            continue;
        assert_true(kit_append(&k, open[j]));
        open[j] = NULL;
    }
    for (unsigned j = 0; j < jobs; j++)
        if (open[j])
            assert_true(kit_append(&k, open[j]));
}

static void check_merge(uint64_t gids, size_t max)
{
    uint64_t from = 1 + (uint64_t)rand() % gids, want = from;
    while (want <= gids) {
        const char *text = kit_events_all(&k, want, max), *end = text + strlen(text);
        size_t n = kit_count(text);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            struct event ev;
            size_t used;
            const char *record = (const char *)memchr(text, ' ', (size_t)(end - text)) + 1;
            assert_memory_equal(text, "create:", 7);
            assert_true(event_parse(record, (size_t)(end - record), &ev, &used));
            assert_int_equal(ev.gid, want);
            want++;
            text = record + used;
        }
    }
    assert_string_equal(kit_events_all(&k, gids + 1, max), "");
}

static void all_events_come_by_gid_however_jobs_interleave(void **state)
{
    unsigned seed = (unsigned)uv_hrtime();
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 6; round++) {
        unsigned jobs = round == 0 ? 1 : round == 1 ? 70 : 1 + (unsigned)rand() % 10;
        uint64_t gids = 500 + (uint64_t)rand() % 1000;
        assert_true(kit_open(&k));
        for (unsigned j = 0; j < jobs; j++) {
            char id[32];
            (void)snprintf(id, sizeof id, "create:%u", j);
            assert_true(kit_create(&k, id));
        }
        interleave(jobs, gids, round == 1 ? 40 : 1 + (unsigned)rand() % 30);
        check_merge(gids, 1);
        check_merge(gids, 300);
        check_merge(gids, 100000);
        kit_done(&k);
        kit_make(&k);
    }
}

/* ---- retention ---- */
static void append_many(const char *id, unsigned blocks, unsigned from)
{
    int waiting = 0;
    for (unsigned i = from; i < from + blocks; i++) {
        struct block *b = kit_block(id, i * 10ULL, i * 10ULL + 1, 10, 100);
        store_append(k.store, b, kit_on_done, &k);
        block_unref(b);
        if (++waiting < 100 && i + 1 < from + blocks)
            continue;
        kit_wait(&k, waiting);
        waiting = 0;
    }
}

static size_t events_of(const char *id)
{
    return kit_count(kit_events(&k, id, 0, 8 * 1024 * 1024));
}

static void a_job_keeps_its_head_and_its_tail(void **state)
{
    k.set.job_bytes = 200 * 1024;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    append_many("create:1", 500, 0);
    const char *text = kit_events(&k, "create:1", 0, 4 * 1024 * 1024);
    size_t n = kit_count(text), holes = 0, head = 0;
    assert_in_range(strlen(text), 150 * 1024, 200 * 1024);
    assert_int_equal(kit_number(text, false, 0, 0), 0);
    assert_int_equal(kit_number(text, false, n - 1, 0), 4999);
    for (size_t i = 1; i < n; i++) {
        if (kit_number(text, false, i, 0) == kit_number(text, false, i - 1, 0) + 1)
            continue;
        holes++;
        head = i;
    }
    assert_int_equal(holes, 1);
    assert_in_range(head * 100 / n, 20, 30);
}

static void a_job_keeps_so_many_events(void **state)
{
    k.set.job_events = 400;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    append_many("create:1", 100, 0);
    const char *text = kit_events(&k, "create:1", 0, 4 * 1024 * 1024);
    assert_in_range(kit_count(text), 390, 400);
    assert_int_equal(kit_number(text, false, 0, 0), 0);
    assert_int_equal(kit_number(text, false, kit_count(text) - 1, 0), 999);
}

static void the_newest_block_stays_however_small_the_budget(void **state)
{
    k.set.job_bytes = 1000; /* less than one block */
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    append_many("create:1", 5, 0);
    const char *text = kit_events(&k, "create:1", 0, 1000000);
    assert_int_equal(kit_number(text, false, 0, 0), 0); /* the head */
    assert_int_equal(kit_count(text), 20);
    assert_int_equal(kit_number(text, false, 19, 0), 49);
}

static void in_all_the_oldest_ended_jobs_give_way_reading_ones_first(void **state)
{
    int64_t now = 4000000000000; /* far ahead, so that none expires */
    k.set.all_bytes = 400 * 1024;
    assert_true(kit_open(&k));
    static const char *const ids[] = {"create:1", "create:2", "list:3", "create:4"};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(kit_create(&k, ids[i]));
        append_many(ids[i], 40, i * 1000); /* about 70 kB each */
    }
    assert_true(kit_end_job(&k, "create:1", now + 2, false));
    assert_true(kit_end_job(&k, "create:2", now + 1, false));
    assert_true(kit_end_job(&k, "list:3", now + 3, true));
    append_many("create:4", 80, 3040);
    assert_int_equal(events_of("create:4"), 1200);
    append_many("create:4", 10, 3120);
    assert_true(events_of("list:3") < 400);
    assert_int_equal(events_of("create:1"), 400);
    assert_int_equal(events_of("create:2"), 400);
    append_many("create:4", 40, 3130);
    assert_int_equal(events_of("list:3"), 10); /* its last block tells how it ended */
    assert_true(events_of("create:2") < 400);
    assert_int_equal(events_of("create:1"), 400);
    assert_int_equal(events_of("create:4"), 1700);
    append_many("create:4", 200, 3170);
    assert_int_equal(events_of("create:1"), 10);
    assert_true(events_of("create:4") < 3600); /* nobody else is left to give */
    assert_true(kit_get(&k, "create:1"));
    kit_close(&k);
    assert_in_range(kit_sql(&k, "SELECT sum(bytes) FROM block"), 300 * 1024, 400 * 1024);
    assert_int_equal(kit_sql(&k, "SELECT sum(bytes) FROM block"),
                     kit_sql(&k, "SELECT value FROM number WHERE name = 'bytes'"));
    assert_int_equal(kit_sql(&k, "SELECT sum(bytes) FROM block"),
                     kit_sql(&k, "SELECT sum(bytes) FROM job_log"));
}

static void reading_jobs_expire_and_of_the_others_the_newest_stay(void **state)
{
    k.set.read_job_keep_s = 60;
    k.set.jobs_keep = 2;
    assert_true(kit_open(&k));
    static const char *const ids[] = {"create:1", "create:2", "create:3", "list:4", "list:5"};
    for (unsigned i = 0; i < 5; i++)
        assert_true(kit_create(&k, ids[i]));
    append_many("list:4", 200, 0);
    assert_true(kit_end_job(&k, "list:5", (int64_t)4000000000000, true));
    assert_true(kit_end_job(&k, "list:4", 1000, true));
    assert_true(kit_gone(&k, "list:4"));
    assert_true(kit_get(&k, "list:5"));
    for (unsigned i = 0; i < 3; i++)
        assert_true(kit_end_job(&k, ids[i], 1000 + i, false));
    assert_true(kit_gone(&k, "create:1"));
    assert_true(kit_get(&k, "create:2"));
    assert_true(kit_get(&k, "create:3"));
    kit_close(&k);
    assert_int_equal(kit_sql(&k, "SELECT count(*) FROM block"), 0);
    assert_int_equal(kit_sql(&k, "SELECT value FROM number WHERE name = 'bytes'"), 0);
}

static void the_file_shrinks_when_events_go(void **state)
{
    k.set.read_job_keep_s = 0;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "list:1"));
    for (unsigned i = 0; i < 20; i++)
        append_many("list:1", 500, i * 500);
    reopen(); /* everything is in the file itself */
    int64_t before = kit_file_size(&k, "state.db");
    assert_true(before > 12 * 1024 * 1024);
    assert_true(kit_end_job(&k, "list:1", 1000, true));
    assert_true(kit_gone(&k, "list:1"));
    int waited = 0;
    while (kit_file_size(&k, "state.db") >= before / 2 && waited < KIT_WAIT_MS) {
        kit_pause(&k, 10);
        waited += 10;
        if (waited % 200 == 0) /* the log is written into the file when it is closed */
            reopen();
    }
    assert_true(kit_file_size(&k, "state.db") < before / 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(events_are_paged_from_any_id_in_any_size),
        T(blocks_of_no_job_and_blocks_kept_already_are_refused),
        T(all_events_come_by_gid_however_jobs_interleave),
        T(a_job_keeps_its_head_and_its_tail),
        T(a_job_keeps_so_many_events),
        T(the_newest_block_stays_however_small_the_budget),
        T(in_all_the_oldest_ended_jobs_give_way_reading_ones_first),
        T(reading_jobs_expire_and_of_the_others_the_newest_stay),
        T(the_file_shrinks_when_events_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
