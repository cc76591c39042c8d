/* The disk is full for a while: a real small file system where we may mount one, else (and as well)
 * writes that fail. Lines stop, new jobs are refused, verdicts land, reads go on; and when there is
 * room again all is as before. */
#include "faulty.h"
#include "store_kit.h"

#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static struct kit k;

static int fresh(void **state)
{
    kit_make(&k);
    return 0;
}

static int gone(void **state)
{
    (void)faulty_disarm();
    kit_close(&k);
    (void)umount2(k.dir, MNT_DETACH); /* only where a test has failed half way */
    kit_done(&k);
    return 0;
}

static uint64_t next;

static bool append(void)
{
    struct block *b = kit_block("create:1", next * 10, next * 10 + 1, 10, 3000);
    next++;
    return kit_append(&k, b);
}

static bool is_full(void)
{
    struct store_health h;
    store_health(k.store, &h);
    return h.full;
}

static void wait_for_room(void)
{
    for (int i = 0; i < KIT_WAIT_MS / 10 && is_full(); i++) {
        kit_pause(&k, 10);
        (void)append();
    }
    assert_false(is_full());
}

static void while_writes_fail_verdicts_wait_and_reads_are_served(void **state)
{
    next = 0;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    assert_true(append());
    faulty_arm(FAULT_WRITE_FULL, 1, 1000000);
    assert_false(append());
    assert_int_equal(k.err.code, ERR_STORE_FULL);
    assert_false(kit_create(&k, "create:2"));
    assert_int_equal(k.err.code, ERR_STORE_FULL);
    assert_true(is_full());
    struct kit verdict = {0};
    struct store_job row = {.id = "create:1", .state = "failed", .terminal = true};
    store_job_end(k.store, &row, NULL, kit_on_done, &verdict);
    kit_pause(&k, 2 * STORE_RETRY_MS);
    assert_int_equal(verdict.fired, 0);
    assert_true(kit_get(&k, "create:1"));
    assert_int_equal(kit_count(kit_events(&k, "create:1", 0, 1000000)), 10);
    assert_false(append());
    assert_true(faulty_disarm());
    for (int i = 0; i < KIT_WAIT_MS / 10 && !verdict.fired; i++)
        kit_pause(&k, 10);
    assert_int_equal(verdict.fired, 1);
    assert_true(verdict.ok);
    wait_for_room();
    assert_true(kit_create(&k, "create:2"));
    assert_int_equal(kit_file_size(&k, "ballast"), STORE_BALLAST);
}

static void closing_does_not_wait_for_ever(void **state)
{
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    faulty_arm(FAULT_WRITE_FULL, 1, 1000000);
    struct store_job row = {.id = "create:1", .state = "failed", .terminal = true};
    store_job_update(k.store, &row, true, kit_on_done, &k);
    kit_close(&k);
    assert_int_equal(k.fired, 1);
    assert_false(k.ok);
    k.fired = 0;
}

/* Takes every byte that is left in the directory. */
static void fill_disk(int fd)
{
    static const char zeros[4096];
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
}

static void on_a_full_file_system_verdicts_land_in_the_reserve(void **state)
{
    if (mount("tmpfs", k.dir, "tmpfs", MS_NOSUID, "size=24m,mode=0700") != 0)
        skip();
    char path[128];
    (void)snprintf(path, sizeof path, "%s/filler", k.dir);
    next = 0;
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fill_disk(fd);
    for (int i = 0; i < 1000 && append(); i++) /* the log has room of its own for a while */
        fill_disk(fd);
    assert_int_equal(k.err.code, ERR_STORE_FULL);
    assert_false(kit_create(&k, "create:2"));
    assert_int_equal(k.err.code, ERR_STORE_FULL);
    assert_true(is_full());
    for (int i = 0; i < 20; i++)
        assert_true(kit_update(&k, "create:1", "running", false));
    kit_close(&k);
    assert_true(kit_open(&k));
    assert_true(kit_get(&k, "create:1"));
    assert_string_equal(k.state, "running");
    assert_true(kit_update(&k, "create:1", "failed", true));
    (void)close(fd);
    (void)unlink(path);
    wait_for_room();
    assert_true(kit_create(&k, "create:2"));
    kit_close(&k);
    assert_int_equal(kit_file_size(&k, "ballast"), STORE_BALLAST);
    assert_int_equal(umount(k.dir), 0);
}

static void a_start_on_a_full_file_system_succeeds_out_of_the_reserve(void **state)
{
    if (mount("tmpfs", k.dir, "tmpfs", MS_NOSUID, "size=24m,mode=0700") != 0)
        skip();
    char path[128];
    (void)snprintf(path, sizeof path, "%s/filler", k.dir);
    assert_true(kit_open(&k));
    assert_true(kit_create(&k, "create:1"));
    kit_close(&k);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fill_disk(fd);
    (void)close(fd);
    assert_true(kit_open(&k));
    assert_true(is_full());
    assert_true(kit_update(&k, "create:1", "interrupted", true));
    assert_false(kit_create(&k, "create:2"));
    (void)unlink(path);
    next = 0;
    wait_for_room();
    assert_true(kit_create(&k, "create:2"));
    kit_close(&k);
    assert_int_equal(umount(k.dir), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    faulty_install();
    const struct CMUnitTest tests[] = {
        T(while_writes_fail_verdicts_wait_and_reads_are_served),
        T(closing_does_not_wait_for_ever),
        T(on_a_full_file_system_verdicts_land_in_the_reserve),
        T(a_start_on_a_full_file_system_succeeds_out_of_the_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
