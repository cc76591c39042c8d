#include "sys/mountinfo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_borg_mount_is_known(void **state)
{
    struct mountinfo m;
    assert_true(mountinfo_parse("58 27 0:41 / /tmp/a\\040b\\134c ro,nosuid,nodev,relatime shared:3 "
                                "master:1 - fuse borgfs ro,user_id=0\n",
                                &m));
    assert_string_equal(m.device, "0:41");
    assert_string_equal(m.point, "/tmp/a b\\c");
    assert_string_equal(m.root, "/");
    assert_true(mountinfo_is_borg(&m));
}

static void others_are_told_apart(void **state)
{
    struct mountinfo m;
    assert_true(mountinfo_parse("1 2 0:41 / /m rw - fuse sshfs rw", &m));
    assert_false(mountinfo_is_borg(&m));
    assert_true(mountinfo_parse("1 2 8:1 /borgfs /m rw - ext4 borgfs rw", &m));
    assert_false(mountinfo_is_borg(&m));
}

static void what_is_no_line_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "1 2 0:41 / /m rw",
                                      "1 2 0:41 / /m rw - fuse",
                                      "- - -",
                                      "1 2 0:41 / \\000 rw - fuse borgfs",
                                      "1 2 0:41 / /m rw - \\400 borgfs"};
    struct mountinfo m;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mountinfo_parse(bad[i], &m));
}

static void what_is_mounted_is_found(void **state)
{
    struct mountinfo m;
    assert_true(mountinfo_find("/proc", &m));
    assert_string_equal(m.type, "proc");
    assert_false(mountinfo_find("/no/such/mount", &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_borg_mount_is_known),
        cmocka_unit_test(others_are_told_apart),
        cmocka_unit_test(what_is_no_line_is_refused),
        cmocka_unit_test(what_is_mounted_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
