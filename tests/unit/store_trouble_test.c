#include "store_kit.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
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

static sqlite3 *occupy(void)
{
    char path[128];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/state.db", k.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void a_verdict_waits_for_the_database_reads_do_not(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    sqlite3 *db = occupy();
    struct store_job row = {.id = "create:1", .state = "running"};
    struct kit verdict = k;
    verdict.fired = 0;
    store_job_update(k.store, &row, true, kit_on_done, &verdict);
    row.state = "succeeded";
    store_job_update(k.store, &row, true, kit_on_done, &verdict);
    assert_false(kit_append(&k, kit_block("create:1", 0, 1, 1, 10)));
    assert_int_equal(k.err.code, ERR_UNAVAILABLE);
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "queued");
    assert_int_equal(verdict.fired, 0);
    (void)sqlite3_close(db);
    for (int i = 0; i < KIT_WAIT_MS / 10 && verdict.fired < 2; i++)
        kit_pause(&k, 10);
    assert_int_equal(verdict.fired, 2);
    assert_true(verdict.ok);
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "succeeded"); /* in the order of the calls */
}

static size_t events_of(const char *id)
{
    return kit_count(kit_events(&k, id, 0, 8 * 1024 * 1024));
}

static void a_later_update_does_not_overtake_one_that_waits(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    sqlite3 *db = occupy();
    struct store_job row = {.id = "create:1", .state = "running"};
    store_job_update(k.store, &row, true, kit_on_done, &k);
    struct store_health h = {0};
    for (int i = 0; i < KIT_WAIT_MS / 10 && h.failures < 2; i++) { /* now it waits to be retried */
        kit_pause(&k, 10);
        store_health(k.store, &h);
    }
    assert_true(h.failures >= 2);
    (void)sqlite3_close(db);
    row.state = "succeeded";
    store_job_update(k.store, &row, true, kit_on_done, &k);
    kit_wait(&k, 2);
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "succeeded");
}

static int refused, answered;

static void count_answer(void *arg, bool found, const struct store_job *row)
{
    const struct err *e = store_read_error(k.store);
    answered++;
    if (e) {
        assert_int_equal(e->code, ERR_TOO_BUSY);
        refused++;
    }
}

static void too_many_operations_are_refused_updates_never(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    sqlite3 *db = occupy();
    refused = answered = 0;
    struct store_job row = {.id = "create:1", .state = "running"};
    store_reserve_gid(k.store, 5, NULL, NULL); /* the thread waits for the lock with this */
    for (int i = 0; i < STORE_OPS + 100; i++)
        store_job_get(k.store, "create:1", count_answer, NULL);
    store_job_update(k.store, &row, false, kit_on_done, &k);
    (void)sqlite3_close(db);
    kit_wait(&k, 1);
    assert_true(k.ok);
    while (answered < STORE_OPS + 100)
        kit_pause(&k, 5);
    assert_int_equal(refused, 101);
    assert_true(kit_get(&k, "create:1"));
}

static void closing_carries_out_what_is_queued_and_answers_it(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    for (unsigned i = 0; i < 300; i++) {
        struct block *b = kit_block("create:1", i * 10ULL, i * 10ULL + 1, 10, 100);
        store_append(k.store, b, kit_on_done, &k);
        block_unref(b);
    }
    store_events(k.store, "create:1", 0, 100, kit_on_events, &k);
    kit_close(&k);
    assert_int_equal(k.fired, 301);
    k.fired = 0;
    assert_true(kit_open(&k));
    assert_int_equal(events_of("create:1"), 3000);
}

static void without_memory_each_call_still_answers(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    for (unsigned n = 1; n <= 2; n++) {
        (void)mem_fail_at(n);
        store_job_get(k.store, "create:1", kit_on_job, &k);
        (void)mem_fail_at(0);
        assert_int_equal(k.fired, 0);
        kit_wait(&k, 1);
        assert_true(k.unknown);
        assert_int_equal(k.err.code, ERR_NO_MEMORY);
        struct block *b = kit_block("create:1", 0, 1, 1, 10);
        (void)mem_fail_at(n);
        store_append(k.store, b, kit_on_done, &k);
        (void)mem_fail_at(0);
        kit_wait(&k, 1);
        assert_false(k.ok);
        assert_int_equal(atomic_load(&b->refs), 1);
        block_unref(b);
    }
    assert_true(kit_get(&k, "create:1"));
}

static void its_health_counts(void **state)
{
    struct store_health h, later;
    assert_true(kit_open(&k));
    store_health(k.store, &h);
    assert_false(h.full);
    assert_int_equal(h.backlog, 0);
    assert_int_equal(h.stalled_ms, 0);
    struct block *b = kit_block("create:1", 0, 1, 10, 100);
    store_append(k.store, b, kit_on_done, &k);
    assert_int_equal(store_backlog(k.store), b->text.n);
    kit_wait(&k, 1);
    block_unref(b);
    assert_int_equal(store_backlog(k.store), 0);
    assert_true(kit_create(&k, "create:1"));
    store_health(k.store, &later);
    assert_true(later.commits > h.commits);
    assert_int_equal(later.failures, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_verdict_waits_for_the_database_reads_do_not),
        T(a_later_update_does_not_overtake_one_that_waits),
        T(too_many_operations_are_refused_updates_never),
        T(closing_carries_out_what_is_queued_and_answers_it),
        T(without_memory_each_call_still_answers),
        T(its_health_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
