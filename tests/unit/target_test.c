#include "target_kit.h"

#include "base/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct target_kit k;

static int setup(void **unused)
{
    kit_make(&k);
    return 0;
}

static int teardown(void **unused)
{
    (void)umount2(k.aio, MNT_DETACH);
    return kit_done(&k);
}

static void a_first_backup_has_no_borg_config_and_the_next_its_own(void **unused)
{
    for (int i = 0; i < 2; i++) {
        assert_true(kit_switch(&k, &kit_other));
        kit_assert_target(&k, &kit_other);
        assert_string_equal(kit_get(&k, "borg.config"), i ? "key of other" : "-");
        kit_run(&k, "other", true);
        kit_put_back_and_finish(&k);
        kit_assert_as_found(&k);
    }
}

static void the_journal_says_what_a_later_start_needs(void **unused)
{
    struct target_journal j;
    assert_true(kit_switch(&k, &kit_far));
    assert_true(target_journal_read(&k.x, &j, &k.e));
    assert_string_equal(j.job_id, "aio-run-for-target:1");
    assert_true(aio_target_equal(&j.original, &kit_main));
    assert_true(aio_target_equal(&j.intended, &kit_far));
    assert_true(j.stack_was_up && !j.start_after);
    (void)snprintf(j.borg_id, sizeof j.borg_id, "abc");
    j.start_after = true;
    j.original = kit_none; /* is not taken */
    assert_true(target_journal_write(&k.x, &j, &k.e));
    assert_true(target_journal_read(&k.x, &j, &k.e));
    assert_string_equal(j.borg_id, "abc");
    assert_true(j.start_after && aio_target_equal(&j.original, &kit_main));
    struct stat st;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/aio", k.state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof path, "%s/aio/original.borg.config", k.state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    kit_put_back_and_finish(&k);
    kit_assert_as_found(&k);
}

static void while_it_is_switched_nobody_else_switches(void **unused)
{
    assert_true(kit_switch(&k, &kit_other));
    assert_false(kit_switch(&k, &kit_far));
    assert_int_equal(k.e.code, ERR_TARGET_SWITCHED);
    assert_false(target_set(&k.x, &kit_far, NULL, &k.e));
    assert_int_equal(k.e.code, ERR_TARGET_SWITCHED);
    kit_assert_target(&k, &kit_other);
    assert_false(target_finish(&k.x, &k.e)); /* before it was put back */
    assert_int_equal(k.e.code, ERR_TARGET_SWITCHED);
    kit_put_back_and_finish(&k);
    kit_assert_as_found(&k);
}

static void without_a_journal_there_is_nothing_to_do(void **unused)
{
    assert_true(target_put_back(&k.x, &k.e) && target_finish(&k.x, &k.e) &&
                target_stay(&k.x, &k.e));
    assert_false(target_switch_next(&k.x, &kit_other, &k.e));
    assert_int_equal(k.e.code, ERR_NOT_FOUND);
    kit_assert_as_found(&k);
}

static void a_volume_and_an_empty_original_are_originals(void **unused)
{
    const struct aio_target *const originals[] = {&kit_volume, &kit_none};
    for (size_t i = 0; i < 2; i++) {
        kit_put_config(&k, originals[i]);
        kit_put(&k, "borg.config", i ? NULL : "key of volume");
        kit_put(&k, "backup_archives.list", i ? NULL : "");
        assert_true(kit_switch(&k, &kit_other));
        kit_run(&k, "other", true);
        kit_put_back_and_finish(&k);
        kit_assert_target(&k, originals[i]);
        assert_string_equal(kit_get(&k, "borg.config"), i ? "-" : "key of volume");
        assert_string_equal(kit_get(&k, "backup_archives.list"), i ? "-" : "");
    }
}

static void what_a_crash_left_without_a_journal_goes_at_start(void **unused)
{
    target_sweep(&k.x); /* there is no folder of ours yet */
    kit_put(&k, "../state/aio/original.borg.config", "left");
    kit_put(&k, "../state/aio/.journal.json.0a1b2c3d.new", "left");
    target_sweep(&k.x);
    kit_assert_over(&k);
    assert_string_equal(kit_get(&k, "../state/aio/.journal.json.0a1b2c3d.new"), "-");
    assert_true(kit_switch(&k, &kit_other));
    target_sweep(&k.x); /* with a journal its copies stay */
    kit_put(&k, ".configuration.json.0a1b2c3d.new", "left");
    kit_put_back_and_finish(&k);
    kit_assert_as_found(&k);
}

static void aios_own_target_keeps_what_its_run_wrote(void **unused)
{
    assert_true(kit_switch(&k, &kit_main));
    kit_assert_as_found(&k);
    kit_put(&k, "backup_archives.list", "archives of main, one more");
    kit_put_back_and_finish(&k);
    kit_assert_target(&k, &kit_main);
    assert_string_equal(kit_get(&k, "backup_archives.list"), "archives of main, one more");
    assert_true(kit_switch(&k, &kit_main));
    kit_put(&k, "borg.config", NULL); /* lost by the run */
    kit_put_back_and_finish(&k);
    assert_string_equal(kit_get(&k, "borg.config"), "key of main");
}

static void a_first_run_of_aios_own_target_makes_its_files(void **unused)
{
    kit_put(&k, "borg.config", NULL);
    kit_put(&k, "backup_archives.list", NULL);
    assert_true(kit_switch(&k, &kit_main));
    kit_run(&k, "main", true);
    kit_put_back_and_finish(&k);
    kit_assert_as_found(&k);
}

static void several_targets_of_one_downtime(void **unused)
{
    assert_true(kit_switch(&k, &kit_other));
    kit_run(&k, "other", true);
    assert_true(target_switch_next(&k.x, &kit_main, &k.e));
    kit_assert_as_found(&k);
    kit_put(&k, "backup_archives.list", "archives of main, one more");
    assert_true(target_switch_next(&k.x, &kit_far, &k.e));
    kit_assert_target(&k, &kit_far);
    assert_string_equal(kit_get(&k, "borg.config"), "-");
    kit_run(&k, "far", false);
    assert_true(target_switch_next(&k.x, &kit_other, &k.e));
    assert_string_equal(kit_get(&k, "borg.config"), "key of other");
    kit_put_back_and_finish(&k);
    kit_assert_target(&k, &kit_main);
    assert_string_equal(kit_get(&k, "borg.config"), "key of main");
    assert_string_equal(kit_get(&k, "backup_archives.list"), "archives of main, one more");
}

static void a_first_backup_that_failed_is_not_refused_for_ever(void **unused)
{
    assert_true(kit_switch(&k, &kit_other));
    kit_run(&k, "other", false);
    assert_true(target_initialised(&k.x, &k.e));
    kit_put_back_and_finish(&k);
    kit_assert_as_found(&k);
    assert_true(kit_switch(&k, &kit_other));
    assert_string_equal(kit_get(&k, "borg.config"), "");
    kit_put(&k, "borg.config", "key of other");
    kit_put_back_and_finish(&k);
    assert_true(kit_switch(&k, &kit_other));
    assert_string_equal(kit_get(&k, "borg.config"), "key of other");
    assert_true(target_initialised(&k.x, &k.e)); /* one is kept: it stays */
    kit_put_back_and_finish(&k);
    assert_true(kit_switch(&k, &kit_other));
    assert_string_equal(kit_get(&k, "borg.config"), "key of other");
    kit_put_back_and_finish(&k);
}

static void putting_back_again_changes_nothing(void **unused)
{
    assert_true(kit_switch(&k, &kit_other));
    kit_run(&k, "other", true);
    assert_true(target_put_back(&k.x, &k.e) && target_put_back(&k.x, &k.e));
    kit_assert_as_found(&k);
    kit_put_config(&k, &kit_other); /* a writer of AIO had the old keys in hand */
    assert_true(target_put_back(&k.x, &k.e));
    kit_assert_as_found(&k);
    kit_put_config(&k, &kit_other);
    kit_put(&k, "borg.config", NULL);
    assert_true(target_finish(&k.x, &k.e));
    kit_assert_as_found(&k);
    kit_assert_over(&k);
    assert_true(kit_switch(&k, &kit_other));
    assert_string_equal(kit_get(&k, "borg.config"), "key of other"); /* not main's */
    kit_put_back_and_finish(&k);
}

static void what_somebody_else_has_set_meanwhile_stays(void **unused)
{
    assert_true(kit_switch(&k, &kit_other));
    kit_put_config(&k, &kit_far);
    kit_put_back_and_finish(&k);
    kit_assert_target(&k, &kit_far);
    assert_string_equal(kit_get(&k, "borg.config"), "key of main");
}

static void a_target_may_stay(void **unused)
{
    assert_true(kit_switch(&k, &kit_other));
    kit_run(&k, "other", true);
    assert_true(target_stay(&k.x, &k.e));
    kit_assert_over(&k);
    kit_assert_target(&k, &kit_other);
    assert_string_equal(kit_get(&k, "borg.config"), "key of other");
    assert_string_equal(kit_get(&k, "backup_archives.list"), "archives of other");
    assert_true(kit_switch(&k, &kit_main)); /* its own was kept */
    assert_string_equal(kit_get(&k, "borg.config"), "key of main");
    kit_put_back_and_finish(&k);
}

static void a_target_set_for_good_brings_its_files(void **unused)
{
    struct aio_target before;
    assert_true(target_set(&k.x, &kit_far, &before, &k.e));
    assert_true(aio_target_equal(&before, &kit_main));
    kit_assert_over(&k);
    kit_assert_target(&k, &kit_far);
    assert_string_equal(kit_get(&k, "borg.config"), "-");
    assert_string_equal(kit_get(&k, "backup_archives.list"), "-");
    kit_run(&k, "far", true);
    assert_true(target_set(&k.x, &kit_far, &before, &k.e));
    assert_true(aio_target_equal(&before, &kit_far));
    assert_string_equal(kit_get(&k, "borg.config"), "key of far");
    kit_assert_over(&k);
    assert_true(target_set(&k.x, &kit_main, &before, &k.e));
    kit_assert_as_found(&k);
    assert_true(target_set(&k.x, &kit_far, &before, &k.e));
    assert_string_equal(kit_get(&k, "borg.config"), "key of far");
    assert_string_equal(kit_get(&k, "backup_archives.list"), "archives of far");
}

static void a_file_put_back_has_its_owner_and_mode(void **unused)
{
    char path[256];
    struct stat st;
    bool root = geteuid() == 0;
    (void)snprintf(path, sizeof path, "%s/borg.config", k.aio);
    assert_int_equal(root ? chown(path, 33, 34) : 0, 0);
    assert_int_equal(chmod(path, 0604), 0);
    assert_true(kit_switch(&k, &kit_other));
    kit_run(&k, "other", true);
    kit_put_back_and_finish(&k);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    assert_true(!root || (st.st_uid == 33 && st.st_gid == 34));
}

static void without_aio_nothing_begins(void **unused)
{
    kit_put(&k, "configuration.json", NULL);
    assert_false(kit_switch(&k, &kit_other));
    assert_int_equal(k.e.code, ERR_NOT_FOUND);
    assert_string_equal(k.e.field, "AIO_CONFIG_FILE");
    kit_assert_over(&k);
    kit_put(&k, "configuration.json", "{ half");
    assert_false(target_set(&k.x, &kit_other, NULL, &k.e));
    assert_int_equal(k.e.code, ERR_UNAVAILABLE);
    kit_assert_over(&k);
    assert_string_equal(kit_get(&k, "configuration.json"), "{ half");
    assert_string_equal(kit_get(&k, "borg.config"), "key of main");
}

static void a_journal_that_cannot_be_read_stands(void **unused)
{
    static const char *const bad[] = {"", "{", "{}", "[]", "{\"phase\":\"switched\"}"};
    assert_true(kit_switch(&k, &kit_other));
    char path[512];
    (void)snprintf(path, sizeof path, "../state/aio/journal.json");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kit_put(&k, path, bad[i]);
        struct target_journal j;
        assert_false(target_journal_read(&k.x, &j, &k.e));
        assert_int_equal(k.e.code, ERR_UNAVAILABLE);
        assert_string_equal(k.e.field, "STATE_DIR");
        assert_false(target_put_back(&k.x, &k.e));
        assert_false(kit_switch(&k, &kit_far));
        assert_int_equal(k.e.code, ERR_TARGET_SWITCHED);
        kit_assert_target(&k, &kit_other);
    }
}

/* Takes every byte that is left where AIO's folder is. */
static void fill(void)
{
    static const char zeros[4096];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/filler", k.aio);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    (void)close(fd);
}

static void a_full_disk_switches_nothing(void **unused)
{
    if (mount("tmpfs", k.aio, "tmpfs", MS_NOSUID, "size=64k,mode=0700") != 0)
        skip();
    char text[12000];
    (void)snprintf(text, sizeof text,
                   "{\n    \"borg_backup_host_location\": \"/mnt/main\",\n    \"x\": \"%0*d\"\n}",
                   11000, 0); /* more than a borg.config that is taken away leaves room for */
    kit_put(&k, "configuration.json", text);
    kit_put(&k, "borg.config", "key of main");
    kit_put(&k, "backup_archives.list", "archives of main");
    fill();
    assert_false(kit_switch(&k, &kit_other));
    assert_int_equal(k.e.code, ERR_UNAVAILABLE);
    assert_string_equal(k.e.field, "AIO_CONFIG_FILE");
    assert_non_null(strstr(k.e.msg, "No space left"));
    kit_put(&k, "filler", NULL);
    kit_assert_as_found(&k);
    kit_assert_over(&k);
    fill();
    assert_false(target_set(&k.x, &kit_far, NULL, &k.e));
    assert_non_null(strstr(k.e.msg, "No space left"));
    kit_put(&k, "filler", NULL);
    kit_assert_as_found(&k);
    kit_assert_over(&k);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        T(a_first_backup_has_no_borg_config_and_the_next_its_own),
        T(the_journal_says_what_a_later_start_needs),
        T(while_it_is_switched_nobody_else_switches),
        T(without_a_journal_there_is_nothing_to_do),
        T(a_volume_and_an_empty_original_are_originals),
        T(what_a_crash_left_without_a_journal_goes_at_start),
        T(aios_own_target_keeps_what_its_run_wrote),
        T(a_first_run_of_aios_own_target_makes_its_files),
        T(several_targets_of_one_downtime),
        T(a_first_backup_that_failed_is_not_refused_for_ever),
        T(putting_back_again_changes_nothing),
        T(what_somebody_else_has_set_meanwhile_stays),
        T(a_target_may_stay),
        T(a_target_set_for_good_brings_its_files),
        T(a_file_put_back_has_its_owner_and_mode),
        T(without_aio_nothing_begins),
        T(a_journal_that_cannot_be_read_stands),
        T(a_full_disk_switches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
