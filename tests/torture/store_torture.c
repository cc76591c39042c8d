/* Fails the n-th call of each sort, n = 1, 2, … until a run passes untouched, in one short life of
 * the store; then looks whether everything it had promised holds. TEST_FULL=1 tries every n of the
 * allocations too, else every seventh. */
#include "faulty.h"
#include "store_kit.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 6, BLOCK_EVENTS = 20 };

/* What the store has said yes to. */
struct promises {
    bool created[2], kept[BLOCKS], running, ended, reserved;
    bool opened;
};

static struct kit k;
static struct promises said;

static bool update(const char *state, bool durable)
{
    store_job_update(k.store, &(struct store_job){.id = "create:1", .state = state}, durable,
                     kit_on_done, &k);
    kit_wait(&k, 1);
    return k.ok;
}

static bool append(unsigned i)
{
    struct block *b =
        kit_block("create:1", i * BLOCK_EVENTS, i * BLOCK_EVENTS + 1, BLOCK_EVENTS, 1500);
    return b && kit_append(&k, b);
}

static bool end(void)
{
    unsigned i = BLOCKS - 1;
    struct block *b =
        kit_block("create:1", i * BLOCK_EVENTS, i * BLOCK_EVENTS + 1, BLOCK_EVENTS, 100);
    struct store_job row = {.id = "create:1", .state = "succeeded", .terminal = true};
    if (!b)
        return false;
    store_job_end(k.store, &row, b, kit_on_done, &k);
    block_unref(b);
    kit_wait(&k, 1);
    return k.ok;
}

/* A read tells the truth or that it cannot tell. */
static void read_back(void)
{
    bool found = kit_get(&k, "create:1");
    assert_true(k.unknown || found == said.created[0]);
    (void)kit_events(&k, "create:1", 0, 1000000);
    for (unsigned i = 0; !k.unknown && !k.text.failed && i < BLOCKS; i++) {
        char record[32];
        (void)snprintf(record, sizeof record, "o %u ", i * BLOCK_EVENTS);
        assert_true(!said.kept[i] || strstr(buf_str(&k.text), record));
    }
    (void)kit_events_all(&k, 1, 1000000);
    kit_list(&k, &(struct store_filter){.limit = 10});
}

static void live(void)
{
    memset(&said, 0, sizeof said);
    said.opened = kit_open(&k);
    if (!said.opened)
        return;
    said.created[0] = kit_create(&k, "create:1");
    if (said.created[0]) {
        said.running = update("running", false);
        for (unsigned i = 0; i < BLOCKS - 1; i++)
            said.kept[i] = append(i);
        store_reserve(k.store, "create:1", 5000, kit_on_done, &k);
        kit_wait(&k, 1);
        said.reserved = k.ok;
        read_back();
        said.ended = said.kept[BLOCKS - 1] = end();
    }
    said.created[1] = kit_create(&k, "create:2");
    kit_close(&k);
}

static void check_events(void)
{
    const char *text = kit_events(&k, "create:1", 0, 10000000);
    size_t n = kit_count(text), at = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
        bool there = kit_number(text, false, at, 0) == i * BLOCK_EVENTS;
        assert_true(there || !said.kept[i]);
        for (unsigned e = 0; there && e < BLOCK_EVENTS; e++, at++)
            assert_int_equal(kit_number(text, false, at, 0), i * BLOCK_EVENTS + e);
    }
    assert_int_equal(at, n); /* whole blocks and nothing else */
}

static void check(void)
{
    assert_true(kit_open(&k));
    bool there = kit_get(&k, "create:1");
    assert_true(there || !said.created[0]);
    assert_true(!said.running || strcmp(k.state, "running") == 0 || said.ended ||
                strcmp(k.state, "succeeded") == 0);
    assert_true(!said.ended || strcmp(k.state, "succeeded") == 0);
    check_events();
    assert_true(kit_get(&k, "create:2") || !said.created[1]);
    kit_close(&k);
    assert_true(!said.reserved || kit_sql(&k, "SELECT mark FROM job_log") == 5000);
    assert_int_equal(kit_sql(&k, "SELECT count(*) FROM pragma_integrity_check "
                                 "WHERE integrity_check = 'ok'"),
                     1);
    assert_int_equal(kit_sql(&k, "SELECT total(bytes) FROM block"),
                     kit_sql(&k, "SELECT total(bytes) FROM job_log"));
    assert_int_equal(kit_sql(&k, "SELECT total(bytes) FROM block"),
                     kit_sql(&k, "SELECT total(value) FROM number WHERE name = 'bytes'"));
}

static bool full_test(void)
{
    const char *v = getenv("TEST_FULL");
    return v && strcmp(v, "1") == 0;
}

/* Every n, or in a quick run one of so many; a sanitized program is slower still. */
static unsigned long stride(unsigned long quick, unsigned long sanitized)
{
    const char *v = getenv("TEST_SANITIZED");
    if (full_test())
        return 1;
    return v && *v ? sanitized : quick;
}

/* `verdicts`: the fault passes, so a job that was created must also have ended. */
static void fail_each(enum fault fault, unsigned long times, bool verdicts, unsigned long step)
{
    unsigned long n = 1;
    for (bool hit = true; hit; n += step) {
        kit_make(&k);
        faulty_arm(fault, n, times);
        live();
        hit = faulty_disarm();
        if (verdicts && said.created[0] && !said.ended)
            fail_msg("call %lu failed and the verdict did not land: %s", n, k.err.msg);
        check();
        kit_done(&k);
    }
    print_message("%lu calls\n", n - step);
    assert_true(n > 2 * step);
}

static void any_write_may_find_the_disk_full(void **state)
{
    fail_each(FAULT_WRITE_FULL, 1, true, stride(1, 13));
    fail_each(FAULT_WRITE_FULL, 3, true, stride(1, 13));
}

static void any_write_may_fail(void **state)
{
    fail_each(FAULT_WRITE_ERROR, 1, true, stride(1, 13));
}

static void any_sync_may_fail(void **state)
{
    fail_each(FAULT_SYNC, 1, true, 1);
    fail_each(FAULT_SYNC, 2, true, 1);
}

static void any_truncation_and_any_open_may_fail(void **state)
{
    fail_each(FAULT_TRUNCATE, 1, true, 1);
    fail_each(FAULT_OPEN, 1, true, 1);
}

static void any_allocation_of_the_database_may_fail(void **state)
{
    fail_each(FAULT_MEMORY, 1, true, stride(7, 101));
}

static void any_allocation_of_ours_may_fail(void **state)
{
    unsigned long step = stride(3, 23);
    for (unsigned long n = 1, made = n; made >= n; n += step) {
        kit_make(&k);
        (void)mem_fail_at(n);
        live();
        made = mem_fail_at(0);
        check();
        kit_done(&k);
    }
}

static void what_is_durable_is_synced_and_lines_are_not(void **state)
{
    kit_make(&k);
    assert_true(kit_open(&k));
    faulty_arm(FAULT_SYNC, 1000000000, 1);
    assert_true(kit_create(&k, "create:1"));
    unsigned long after_create = faulty_calls();
    assert_true(after_create >= 1);
    assert_true(append(0) && append(1) && update("running", false));
    assert_int_equal(faulty_calls(), after_create);
    assert_true(update("running", true));
    unsigned long after_update = faulty_calls();
    assert_true(after_update > after_create);
    assert_true(end());
    assert_true(faulty_calls() > after_update);
    assert_false(faulty_disarm());
    kit_done(&k);
}

int main(void)
{
    faulty_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_durable_is_synced_and_lines_are_not),
        cmocka_unit_test(any_write_may_find_the_disk_full),
        cmocka_unit_test(any_write_may_fail),
        cmocka_unit_test(any_sync_may_fail),
        cmocka_unit_test(any_truncation_and_any_open_may_fail),
        cmocka_unit_test(any_allocation_of_the_database_may_fail),
        cmocka_unit_test(any_allocation_of_ours_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
