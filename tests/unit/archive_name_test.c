#include "backup/archives/archive_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool ok(const char *name)
{
    struct err e = {0};
    bool fine = archive_name_ok(name, "archive", &e);
    if (!fine) {
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "archive");
    }
    return fine;
}

static void ordinary_names_are_taken(void **state)
{
    assert_true(ok("vm-2026-11-22T23:16:01.344022"));
    assert_true(ok("20261122_231601-nextcloud-aio"));
    assert_true(ok("with space and \xc3\xa9"));
    assert_true(ok("a:b"));
    char longest[ARCHIVE_NAME_MAX + 1];
    memset(longest, 'x', ARCHIVE_NAME_MAX);
    longest[ARCHIVE_NAME_MAX] = '\0';
    assert_true(ok(longest));
}

static void what_borg_could_take_for_something_else_is_refused(void **state)
{
    static const char *const bad[] = {"",   "-x", "--last=1", "a/b",  "a::b",
                                      " a", "a ", "a\nb",     "a\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ok(bad[i]));
    char too_long[ARCHIVE_NAME_MAX + 2];
    memset(too_long, 'x', ARCHIVE_NAME_MAX + 1);
    too_long[ARCHIVE_NAME_MAX + 1] = '\0';
    assert_false(ok(too_long));
}

static struct operation_result answer(struct verdict *v, int code, const char *out)
{
    verdict_exit(v, code, 0);
    return (struct operation_result){
        .ran = true, .code = code, .verdict = v, .out = out, .out_len = strlen(out)};
}

static void the_newest_is_the_one_that_borg_names(void **state)
{
    struct verdict *v = verdict_new();
    struct err e = {0};
    char name[ARCHIVE_NAME_MAX + 1];
    verdict_expect(v, "read", "read");
    struct operation_result r = answer(v, 0, "{\"archives\":[{\"name\":\"one\"}]}");
    assert_true(newest_archive_name(&r, name, &e));
    assert_string_equal(name, "one");
    r = answer(v, 0, "{\"archives\":[]}");
    assert_false(newest_archive_name(&r, name, &e));
    assert_int_equal(e.code, ERR_ARCHIVE_NOT_FOUND);
    r = answer(v, 0, "no json");
    assert_false(newest_archive_name(&r, name, &e));
    verdict_free(v);
}

static void a_borg_that_failed_says_why(void **state)
{
    struct verdict *v = verdict_new();
    struct err e = {0};
    char name[ARCHIVE_NAME_MAX + 1];
    struct operation_result r = answer(v, 2, "");
    assert_false(newest_archive_name(&r, name, &e));
    assert_int_equal(e.code, ERR_COMMAND_FAILED);
    verdict_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_are_taken),
        cmocka_unit_test(what_borg_could_take_for_something_else_is_refused),
        cmocka_unit_test(the_newest_is_the_one_that_borg_names),
        cmocka_unit_test(a_borg_that_failed_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
