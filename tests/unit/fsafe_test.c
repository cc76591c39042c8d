#include "sys/fsafe.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static int dir;

static int setup(void **state)
{
    struct err e = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/fsafe-test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    dir = fsafe_dir(folder, &e);
    assert_true(dir >= 0);
    return 0;
}

static size_t entries(bool removed)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *one; (one = readdir(d)) != NULL;) {
        bool dots = strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0;
        n += !dots;
        if (removed && !dots)
            (void)unlinkat(dir, one->d_name, 0);
    }
    (void)closedir(d);
    return n;
}

static int teardown(void **state)
{
    (void)entries(true);
    (void)close(dir);
    return rmdir(folder);
}

static void assert_text(const char *name, const char *text)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 100);
    assert_true(fsafe_read(dir, name, &b, NULL, &e));
    assert_string_equal(buf_str(&b), text);
    buf_done(&b);
}

static void what_is_written_is_read_with_its_mode(void **state)
{
    struct err e = {0};
    struct stat st;
    struct buf b;
    buf_init(&b, 100);
    assert_true(fsafe_write(dir, "one", "first", 5, 0640, false, &e));
    assert_true(fsafe_read(dir, "one", &b, &st, &e));
    assert_string_equal(buf_str(&b), "first");
    assert_int_equal(st.st_mode & 07777, 0640);
    buf_done(&b);
    assert_true(fsafe_write(dir, "one", "second", 6, 0600, true, &e));
    assert_text("one", "second");
    assert_int_equal(entries(false), 1);
}

static void a_name_that_is_taken_is_not_replaced_unless_asked_for(void **state)
{
    struct err e = {0};
    assert_true(fsafe_write(dir, "one", "first", 5, 0600, false, &e));
    assert_false(fsafe_write(dir, "one", "second", 6, 0600, false, &e));
    assert_int_equal(e.code, ERR_ALREADY_EXISTS);
    assert_text("one", "first");
    assert_int_equal(symlinkat("nowhere", dir, "link"), 0);
    assert_false(fsafe_write(dir, "link", "x", 1, 0600, false, &e));
    assert_int_equal(e.code, ERR_ALREADY_EXISTS);
    assert_int_equal(entries(false), 2);
}

static void a_link_is_neither_read_nor_written_through(void **state)
{
    struct err e = {0};
    struct buf b;
    buf_init(&b, 100);
    assert_true(fsafe_write(dir, "target", "kept", 4, 0600, false, &e));
    assert_int_equal(symlinkat("target", dir, "link"), 0);
    assert_false(fsafe_read(dir, "link", &b, NULL, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_true(
        fsafe_write(dir, "link", "new", 3, 0600, true, &e)); /* the link itself is replaced */
    assert_text("target", "kept");
    assert_text("link", "new");
    buf_done(&b);
    char through[80];
    (void)snprintf(through, sizeof through, "%s/way", folder);
    assert_int_equal(symlinkat(".", dir, "way"), 0);
    assert_int_equal(fsafe_dir(through, &e), -1);
}

static void what_is_missing_too_long_or_no_file_is_said_so(void **state)
{
    struct err e = {0};
    struct buf b;
    buf_init(&b, 3);
    assert_false(fsafe_read(dir, "none", &b, NULL, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(fsafe_write(dir, "long", "four", 4, 0600, false, &e));
    assert_false(fsafe_read(dir, "long", &b, NULL, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    assert_false(fsafe_read(dir, "fifo", &b, NULL, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_false(fsafe_remove(dir, "none", &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(fsafe_dir("/nonexistent", &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    buf_done(&b);
}

static void renaming_never_replaces(void **state)
{
    struct err e = {0};
    assert_true(fsafe_write(dir, "a", "A", 1, 0600, false, &e));
    assert_true(fsafe_write(dir, "b", "B", 1, 0600, false, &e));
    assert_false(fsafe_rename(dir, "a", "b", &e));
    assert_int_equal(e.code, ERR_ALREADY_EXISTS);
    assert_text("b", "B");
    assert_true(fsafe_rename(dir, "a", "c", &e));
    assert_text("c", "A");
    assert_false(fsafe_rename(dir, "a", "d", &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(fsafe_remove(dir, "c", &e));
    assert_int_equal(entries(false), 1);
}

static void only_what_a_crash_left_is_swept(void **state)
{
    struct err e = {0};
    assert_true(fsafe_write(dir, ".one.0a1b2c3d.new", "part", 4, 0600, false, &e));
    assert_true(fsafe_write(dir, "one.new", "kept", 4, 0600, false, &e));
    assert_true(fsafe_write(dir, ".one.0a1b2c3.new", "kept", 4, 0600, false, &e));
    fsafe_sweep(dir);
    assert_int_equal(entries(false), 2);
}

static void what_is_put_aside_has_the_owner_and_mode_of_the_other(void **state)
{
    struct err e = {0};
    struct stat as, st;
    char part[FSAFE_PART];
    assert_true(fsafe_write(dir, "one", "first", 5, 0640, false, &e));
    assert_int_equal(fstatat(dir, "one", &as, 0), 0);
    if (geteuid() == 0)
        as.st_uid = as.st_gid = 33;
    assert_true(fsafe_aside(dir, "one", "second", 6, &as, part, &e));
    assert_text("one", "first");
    assert_text(part, "second");
    assert_int_equal(fstatat(dir, part, &st, 0), 0);
    assert_true(st.st_uid == as.st_uid && st.st_gid == as.st_gid && st.st_mode == as.st_mode);
    fsafe_sweep(dir);
    assert_int_equal(entries(false), 1);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    struct err e = {0};
    assert_true(fsafe_write(dir, "one", "first", 5, 0600, false, &e));
    char long_name[FSAFE_PART];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_false(fsafe_write(dir, long_name, "second", 6, 0600, true, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    int gone = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)close(gone);
    assert_false(fsafe_write(gone, "one", "second", 6, 0600, true, &e));
    assert_text("one", "first");
    assert_int_equal(entries(false), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_with_its_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_is_not_replaced_unless_asked_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_is_neither_read_nor_written_through, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_too_long_or_no_file_is_said_so, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(renaming_never_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_a_crash_left_is_swept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_put_aside_has_the_owner_and_mode_of_the_other,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
