#include "aio/config/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct err e;

static bool valid(const char *local, const char *remote)
{
    struct aio_target t = {0};
    (void)snprintf(t.host_location, sizeof t.host_location, "%s", local);
    (void)snprintf(t.remote_repo, sizeof t.remote_repo, "%s", remote);
    memset(&e, 0, sizeof e);
    return aio_target_valid(&t, &e);
}

static void places_that_are_taken(void **state)
{
    static const char *const good[] = {
        "/mnt/backup",       "/a", "/mnt/My Drive/é", "/mnt/..a/b..", "nextcloud_aio_backupdir",
        "/var/lib/dockerish"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(valid(good[i], ""));
}

static void places_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "/",        "/mnt/",       "mnt",        "./mnt",           "nextcloud_aio_backupdir2",
        "/mnt:/x",  "/mnt/../etc", "/..",        "/mnt/./x",        "/mnt//x",
        "/mnt/\nx", "/mnt/\x7f",   "/mnt/\xff",  "/var/lib/docker", "/var/lib/docker/volumes/x",
        "-v/x",     "~/x",         "ssh://u@h/r"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(valid(bad[i], ""));
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "host_location");
    }
}

static void repositories_that_are_taken(void **state)
{
    static const char *const good[] = {"ssh://u@h:22/./r",
                                       "ssh://u@h/r",
                                       "ssh://u123-sub1@u123.your-storagebox.de:23/./backup",
                                       "ssh://abc@abc.repo.borgbase.com/./repo",
                                       "ssh://u@[2001:db8::1]:2222/r",
                                       "ssh://u@[::1]/r",
                                       "u@h:r",
                                       "u@192.0.2.1:/abs/path",
                                       "a.b_c+d@h-1:~/r",
                                       "u@[::1]:r"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(valid("", good[i]));
}

static void repositories_that_are_refused(void **state)
{
    static const char *const bad[] = {"-oProxyCommand=x@y:z",
                                      "ssh://-oProxyCommand=x@y:22/z",
                                      "ssh://u@-oProxyCommand=x/z",
                                      "u@-oProxyCommand=x:z",
                                      "ssh://u:pw@h:22/r",
                                      "ssh://h/r",
                                      "ssh://@h/r",
                                      "ssh://u@/r",
                                      "ssh://u@h",
                                      "ssh://u@h/",
                                      "ssh://u@h:0/r",
                                      "ssh://u@h:65536/r",
                                      "ssh://u@h:/r",
                                      "ssh://u@h:2x/r",
                                      "ssh://u@h:22:22/r",
                                      "ssh://u@[::1/r",
                                      "ssh://u@[::1]x/r",
                                      "h:r",
                                      "u@h",
                                      "u@h:",
                                      "u@h:-r",
                                      "u@:r",
                                      "@h:r",
                                      "http://u@h:r",
                                      "file:///u@h:r",
                                      "/mnt/u@h:r",
                                      "ssh://u@h/a/../b",
                                      "ssh://u@h/..",
                                      "u@h:../x",
                                      "ssh://u@h/{now}",
                                      "ssh://u@h/r\n",
                                      "ssh://u@h/r ",
                                      " ssh://u@h/r",
                                      "ssh://u@h/\xff",
                                      "ssh://u@h x/r",
                                      "u x@h:r",
                                      "u@u@h:r"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (valid("", bad[i]))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "remote_repo");
    }
}

static void one_of_the_two_and_not_both(void **state)
{
    assert_false(valid("", ""));
    assert_string_equal(e.field, "host_location");
    assert_false(valid("/mnt/a", "u@h:r"));
    assert_string_equal(e.field, "remote_repo");
}

static void not_inside_the_data_folder(void **state)
{
    struct aio_target t = {.host_location = "/mnt/ncdata/backup"};
    assert_false(aio_target_apart(&t, "/mnt/ncdata", &e));
    assert_false(aio_target_apart(&t, "/mnt/ncdata/", &e));
    assert_false(aio_target_apart(&t, "/mnt/ncdata/backup", &e));
    assert_false(aio_target_apart(&t, "/", &e));
    assert_string_equal(e.field, "host_location");
    assert_true(aio_target_apart(&t, "/mnt/nc", &e));
    assert_true(aio_target_apart(&t, "/mnt/ncdata/backup/x", &e));
    assert_true(aio_target_apart(&t, "", &e));
    assert_true(aio_target_apart(&t, "nextcloud_aio_nextcloud_datadir", &e));
    const struct aio_target remote = {.remote_repo = "u@h:r"};
    assert_true(aio_target_apart(&remote, "/", &e));
}

static void its_mode(void **state)
{
    const struct aio_target none = {0}, both = {.host_location = "/a", .remote_repo = "u@h:r"};
    assert_string_equal(aio_target_mode(&none), "");
    assert_string_equal(aio_target_mode(&both), "remote");
    assert_false(aio_target_equal(&none, &both));
    assert_true(aio_target_equal(&both, &both));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_that_are_taken),
        cmocka_unit_test(places_that_are_refused),
        cmocka_unit_test(repositories_that_are_taken),
        cmocka_unit_test(repositories_that_are_refused),
        cmocka_unit_test(one_of_the_two_and_not_both),
        cmocka_unit_test(not_inside_the_data_folder),
        cmocka_unit_test(its_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
