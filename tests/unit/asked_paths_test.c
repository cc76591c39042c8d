#include "backup/restore/asked_paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void nothing_asked_is_everything(void **state)
{
    struct asked_paths a = {0};
    struct err e = {0};
    assert_null(a.patterns[0]);
    asked_paths_note(&a, "etc/hosts");
    assert_true(asked_paths_all_found(&a, "", &e));
    asked_paths_done(&a);
}

static void a_path_is_found_by_itself_and_by_what_is_beneath_it(void **state)
{
    static const struct {
        const char *asked, *pattern, *entry;
        bool found;
    } rows[] = {
        {"etc/hosts", "pp:etc/hosts", "etc/hosts", true},
        {"/etc/", "pp:/etc/", "etc/hosts", true},
        {"etc", "pp:etc", "etc", true},
        {"etc", "pp:etc", "etcetera", false},
        {"etc/hosts", "pp:etc/hosts", "etc", false},
        {"/", "pp:/", "etc", true},
        {"re:.*", "pp:re:.*", "etc", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked_paths a = {0};
        struct err e = {0};
        assert_true(asked_paths_add(&a, rows[i].asked));
        assert_string_equal(a.patterns[0], rows[i].pattern);
        assert_null(a.patterns[1]);
        asked_paths_note(&a, rows[i].entry);
        assert_int_equal(asked_paths_all_found(&a, "", &e), rows[i].found);
        asked_paths_done(&a);
    }
}

static void the_first_that_is_missing_is_named(void **state)
{
    struct asked_paths a = {0};
    struct err e = {0};
    assert_true(asked_paths_add(&a, "here") && asked_paths_add(&a, "not/here") &&
                asked_paths_add(&a, "nor/here"));
    asked_paths_note(&a, "here");
    assert_false(asked_paths_all_found(&a, "nothing was written", &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.field, "paths");
    assert_string_equal(e.msg, "the archive holds nothing at \"not/here\"; nothing was written");
    asked_paths_done(&a);
}

static void there_is_room_for_as_many_as_a_list_may_have(void **state)
{
    struct asked_paths a = {0};
    for (size_t i = 0; i < LIMIT_LIST; i++)
        assert_true(asked_paths_add(&a, "x"));
    assert_false(asked_paths_add(&a, "x"));
    assert_null(a.patterns[LIMIT_LIST]);
    asked_paths_done(&a);
    assert_null(a.patterns[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_everything),
        cmocka_unit_test(a_path_is_found_by_itself_and_by_what_is_beneath_it),
        cmocka_unit_test(the_first_that_is_missing_is_named),
        cmocka_unit_test(there_is_room_for_as_many_as_a_list_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
