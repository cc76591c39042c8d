/* Fails the n-th call of each sort that writes, n = 1, 2, … until a run passes untouched, while a
 * target is switched, put back and finished, or set for good. AIO's configuration is whole at every
 * moment with the owner and mode it had; what was not done is undone; and where the journal stands,
 * a later try puts everything back. */
#include "target_kit.h"

#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- calls that fail: these stand before the C library's ---- */

enum fault {
    FAULT_NONE,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_RENAME,
    FAULT_CREATE,
    FAULT_REMOVE,
    FAULT_OWNER
};

static enum fault armed;
static unsigned long calls, first_bad, bad_count;
static bool inside, hit;     /* inside: one of ours is running */
static bool cannot_exchange; /* as some file systems */

static bool fails(enum fault fault)
{
    if (!inside || armed != fault)
        return false;
    calls++;
    if (calls < first_bad || calls >= first_bad + bad_count)
        return false;
    hit = true;
    errno = fault == FAULT_WRITE ? ENOSPC : EIO;
    return true;
}

ssize_t write(int fd, const void *p, size_t n)
{
    bool bad = fails(FAULT_WRITE);
    if (bad && n > 1) { /* as a disk that fills up: a part is there, the next piece is refused */
        calls--;
        first_bad = calls + 1;
        n /= 2;
    } else if (bad) {
        return -1;
    }
    return syscall(SYS_write, fd, p, n);
}

int fsync(int fd)
{
    return fails(FAULT_SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (cannot_exchange && (flags & RENAME_EXCHANGE)) {
        errno = EINVAL;
        return -1;
    }
    return fails(FAULT_RENAME) ? -1
                               : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
    return fails(FAULT_REMOVE) ? -1 : (int)syscall(SYS_unlinkat, dir, name, flags);
}

int fchmod(int fd, mode_t mode)
{
    return fails(FAULT_OWNER) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
    return fails(FAULT_OWNER) ? -1 : (int)syscall(SYS_fchown, fd, uid, gid);
}

int openat(int dir, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_CREAT) && fails(FAULT_CREATE))
        return -1;
    return (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* ---- the scenarios ---- */

static struct target_kit k;
static bool switched, put_back, finished;

#define OURS(call) \
    ({ \
        inside = true; \
        bool _ok = (call); \
        inside = false; \
        _ok; \
    })

/* A run for another target and for AIO's own in one downtime. */
static void live_run(void)
{
    switched = put_back = finished = false;
    switched = OURS(kit_switch(&k, &kit_other));
    if (!switched)
        return;
    kit_run(&k, "other", true);
    if (OURS(target_switch_next(&k.x, &kit_far, &k.e)))
        kit_run(&k, "far", false);
    put_back = OURS(target_put_back(&k.x, &k.e));
    finished = put_back && OURS(target_finish(&k.x, &k.e));
}

static void live_set(void)
{
    switched = OURS(target_set(&k.x, &kit_far, NULL, &k.e));
    put_back = finished = false;
}

static bool journal_stands(void)
{
    struct target_journal j;
    return target_journal_read(&k.x, &j, NULL);
}

static void check_file(void)
{
    struct aio_settings now;
    struct err e = {0};
    if (!config_file_read(k.config, &now, &e))
        fail_msg("after call %lu: %s", first_bad, e.msg);
    assert_int_equal(now.st.st_mode & 07777, 0664);
    assert_true(geteuid() != 0 || (now.st.st_uid == 33 && now.st.st_gid == 33));
}

/* What a crash or a failed removal left is swept the next time. */
static void sweep(void)
{
    char own[256];
    (void)snprintf(own, sizeof own, "%s/aio", k.state);
    (void)kit_names(k.aio, ".", true);
    (void)kit_names(own, ".", true);
}

static void recover(void)
{
    bool back = target_put_back(&k.x, &k.e);
    if (!back || !target_finish(&k.x, &k.e))
        fail_msg("after call %lu: %s", first_bad, k.e.msg);
}

static void check_run(void)
{
    check_file();
    if (!switched && k.e.code != ERR_TARGET_SWITCHED)
        assert_false(journal_stands());
    if (finished)
        assert_false(journal_stands());
    if (journal_stands())
        recover();
    sweep();
    kit_assert_as_found(&k);
}

static void check_set(void)
{
    check_file();
    if (switched || k.e.code != ERR_TARGET_SWITCHED)
        assert_false(journal_stands());
    if (journal_stands())
        recover();
    sweep();
    if (!switched) {
        kit_assert_as_found(&k);
        return;
    }
    kit_assert_target(&k, &kit_far);
    assert_string_equal(kit_get(&k, "borg.config"), "-");
    assert_string_equal(kit_get(&k, "backup_archives.list"), "-");
}

static void make(void)
{
    kit_make(&k);
    if (geteuid() == 0)
        assert_int_equal(chown(k.config, 33, 33), 0);
    assert_int_equal(chmod(k.config, 0664), 0);
}

static void fail_each(enum fault fault, unsigned long times, void (*live)(void),
                      void (*check)(void))
{
    unsigned long n = 1;
    do {
        make();
        calls = 0;
        hit = false;
        first_bad = n;
        bad_count = times;
        armed = fault;
        live();
        armed = FAULT_NONE;
        check();
        (void)kit_done(&k);
    } while (hit && n++ < 1000);
    print_message("%lu calls\n", n - 1);
    assert_true(n > 2 && n < 1000);
    assert_true(switched);
}

static void each_of(enum fault fault, unsigned long times)
{
    fail_each(fault, times, live_run, check_run);
    fail_each(fault, times, live_set, check_set);
}

static void any_write_may_find_the_disk_full(void **state)
{
    each_of(FAULT_WRITE, 1);
    each_of(FAULT_WRITE, 1000); /* and it stays full */
}

static void any_sync_may_fail(void **state)
{
    each_of(FAULT_SYNC, 1);
    each_of(FAULT_SYNC, 1000);
}

static void any_rename_may_fail(void **state)
{
    each_of(FAULT_RENAME, 1);
    each_of(FAULT_RENAME, 1000);
}

static void any_rename_may_fail_where_files_cannot_be_exchanged(void **state)
{
    cannot_exchange = true;
    each_of(FAULT_RENAME, 1);
    each_of(FAULT_SYNC, 1);
    cannot_exchange = false;
}

static void any_file_may_not_be_made_or_removed(void **state)
{
    each_of(FAULT_CREATE, 1);
    each_of(FAULT_CREATE, 1000);
    each_of(FAULT_REMOVE, 1);
    each_of(FAULT_REMOVE, 1000);
}

static void owner_and_mode_may_be_refused(void **state)
{
    each_of(FAULT_OWNER, 1);
    each_of(FAULT_OWNER, 1000);
}

static void fail_memory(void (*live)(void), void (*check)(void))
{
    unsigned long n = 1, made;
    do {
        make();
        first_bad = n;
        (void)mem_fail_at(n);
        live();
        made = mem_fail_at(0);
        check();
        (void)kit_done(&k);
    } while (made >= n && n++ < 100000);
    print_message("%lu allocations\n", n - 1);
    assert_true(n > 10 && switched);
}

static void any_allocation_may_fail(void **state)
{
    fail_memory(live_run, check_run);
    fail_memory(live_set, check_set);
}

int main(void)
{
    json_use_wiped_memory();
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_write_may_find_the_disk_full),
        cmocka_unit_test(any_sync_may_fail),
        cmocka_unit_test(any_rename_may_fail),
        cmocka_unit_test(any_rename_may_fail_where_files_cannot_be_exchanged),
        cmocka_unit_test(any_file_may_not_be_made_or_removed),
        cmocka_unit_test(owner_and_mode_may_be_refused),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
