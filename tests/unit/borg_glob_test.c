#include "backup/archives/borg_glob.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_borg_can_use_is_taken(void **state)
{
    static const char *const good[] = {
        "*",           "**/*.pdf", "a?c",    "[abc]",  "[!a-z]x", "[a-a]",
        "[[]x]",       "[]-a]",    "[!]-a]", "[a-]",   "[-a]",    "[!-a]",
        "[",           "[z",       "[!",     "[]",     "[]x",     "[\xc3\xa4-\xe2\x82\xac]",
        "a/[b]",       "--help",   "re:x",   "[\\-a]", "x]z-a[",  "[^-a]",
        "[a-\xc3\xa4]"};
    struct err e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!borg_glob_ok(good[i], "pattern", &e))
            fail_msg("refused: %s", good[i]);
}

static void what_borg_fails_on_is_refused(void **state)
{
    static const char *const bad[] = {
        "[z-a]",       "x[!z-a]",  "[a-cz-a]", "[a--]",  "[]-A]",
        "[a/b]",       "[x/y]/z]", "[a][z-a]", "[[z-a]", "[\xe2\x82\xac-\xc3\xa4]",
        "[\xc3\xa4-a]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        if (borg_glob_ok(bad[i], "pattern", &e))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "pattern");
    }
}

static void options_and_styles_stay_values(void **state)
{
    AUTO_FREE char *all = borg_glob_archives(NULL);
    AUTO_FREE char *some = borg_glob_archives("--{now}*");
    AUTO_FREE char *paths = borg_glob_paths("re:--x");
    assert_string_equal(all, "--glob-archives=*");
    assert_string_equal(some, "--glob-archives=--{{now}}*");
    assert_string_equal(paths, "sh:re:--x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_borg_can_use_is_taken),
        cmocka_unit_test(what_borg_fails_on_is_refused),
        cmocka_unit_test(options_and_styles_stay_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
