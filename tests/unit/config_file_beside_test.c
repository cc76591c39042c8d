#include "target_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct target_kit k;

static int setup(void **unused)
{
    kit_make(&k);
    return 0;
}

static int teardown(void **unused)
{
    return kit_done(&k);
}

static void a_schedule_is_read(void **unused)
{
    struct aio_schedule s;
    char at[256];
    assert_true(config_file_beside(k.config, "daily_backup_time", at, sizeof at));
    assert_true(config_file_schedule(at, &s, &k.e));
    assert_false(s.set);
    assert_int_equal(aio_schedule_minutes(&s, 0), -1);
    kit_put(&k, "daily_backup_time", "04:30\n\n\n");
    assert_true(config_file_schedule(at, &s, &k.e));
    assert_true(s.set && s.updates && s.success_notifications);
    assert_int_equal(s.minute_utc, 270);
    assert_int_equal(aio_schedule_minutes(&s, 86400 * 5LL), 270);
    assert_int_equal(aio_schedule_minutes(&s, 86400 * 5LL + 270 * 60), 0);
    assert_int_equal(aio_schedule_minutes(&s, 86400 * 5LL + 270 * 60 + 1), 24 * 60 - 1);
    kit_put(&k, "daily_backup_time",
            "23:59\nautomaticUpdatesAreNotEnabled\nsuccessNotificationsAreNotEnabled");
    assert_true(config_file_schedule(at, &s, &k.e));
    assert_true(s.set && !s.updates && !s.success_notifications);
    static const char *const bad[] = {"24:00", "4:30", "04:60\n", "0430\n", "\n", "04:30:00\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kit_put(&k, "daily_backup_time", bad[i]);
        assert_false(config_file_schedule(at, &s, &k.e));
        assert_int_equal(k.e.code, ERR_UNAVAILABLE);
        assert_false(s.set);
    }
}

static void archives_are_listed_newest_first(void **unused)
{
    struct aio_archive a[3];
    size_t n;
    char at[256];
    assert_true(config_file_beside(k.config, "backup_archives.list", at, sizeof at));
    kit_put(&k, "backup_archives.list", NULL);
    assert_true(config_file_archives(at, a, 3, &n, &k.e));
    assert_int_equal(n, 0);
    kit_put(&k, "backup_archives.list", "\n");
    assert_true(config_file_archives(at, a, 3, &n, &k.e));
    assert_int_equal(n, 0);
    kit_put(&k, "backup_archives.list",
            "20260101_040000-nextcloud-aio,2026-01-01 04:00:05\n"
            "20260102_040000-nextcloud-aio,2026-01-02 04:00:05\n"
            "no line of ours\n"
            "bad,2026-01-02\n"
            "20260103_040000-nextcloud-aio,1970-01-02 00:00:01");
    assert_true(config_file_archives(at, a, 3, &n, &k.e));
    assert_int_equal(n, 3);
    assert_string_equal(a[0].name, "20260103_040000-nextcloud-aio");
    assert_int_equal(a[0].time, 86401);
    assert_string_equal(a[2].name, "20260101_040000-nextcloud-aio");
    assert_int_equal(a[2].time, 1767240005);
    assert_true(config_file_archives(at, a, 1, &n, &k.e));
    assert_int_equal(n, 1);
    assert_int_equal(a[0].time, 86401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_schedule_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(archives_are_listed_newest_first, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
