#include "base/err.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_failure_has_a_status_and_a_word_of_its_own_kind(void **state)
{
    assert_int_equal(err_status(ERR_NONE), 200);
    assert_string_equal(err_word(ERR_NONE), "");
    for (int c = ERR_NONE + 1; c < ERR_CODES; c++) {
        int status = err_status((enum err_code)c);
        const char *word = err_word((enum err_code)c);
        assert_in_range(status, 400, 599);
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
        assert_in_range(strlen(word), 4, 40);
        for (int other = ERR_NONE + 1; other < c; other++)
            assert_string_not_equal(word, err_word((enum err_code)other));
    }
}

static void filling_tells_code_field_and_message(void **state)
{
    struct err e = {0};
    assert_false(err_field(&e, ERR_BAD_REQUEST, "timeout", "must be at least %d", 1));
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    assert_string_equal(e.field, "timeout");
    assert_string_equal(e.msg, "must be at least 1");
    assert_false(err_set(&e, ERR_NOT_FOUND, "no such job"));
    assert_string_equal(e.field, "");
    assert_string_equal(e.msg, "no such job");
    assert_false(err_set(NULL, ERR_NOT_FOUND, "nobody listens"));
}

static void a_long_message_is_cut(void **state)
{
    struct err e = {0};
    assert_false(err_set(&e, ERR_INTERNAL, "%2000d", 1));
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void memory_is_copied_and_can_be_made_to_fail(void **state)
{
    (void)mem_fail_at(1000);
    AUTO_FREE char *a = mem_strdup("archive");
    AUTO_FREE char *b = mem_strndup("archive", 4);
    AUTO_FREE char *c = mem_printf("%s-%d", "archive", 7);
    AUTO_FREE char *z = mem_zalloc(3);
    assert_int_equal(mem_fail_at(0), 4);
    assert_string_equal(a, "archive");
    assert_string_equal(b, "arch");
    assert_string_equal(c, "archive-7");
    assert_memory_equal(z, "\0\0\0", 3);
    assert_null(mem_strdup(NULL));
    assert_null(mem_strndup(NULL, 3));

    (void)mem_fail_at(2);
    AUTO_FREE char *first = mem_alloc(0);
    assert_non_null(first);
    assert_null(mem_strdup("second"));
    (void)mem_fail_at(1);
    assert_null(mem_printf("x"));
    (void)mem_fail_at(1);
    assert_null(mem_realloc(first, 10));
    (void)mem_fail_at(1);
    assert_null(mem_zalloc(1));
    (void)mem_fail_at(0);

    char *moved = TAKE(first);
    assert_null(first);
    mem_free(moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_has_a_status_and_a_word_of_its_own_kind),
        cmocka_unit_test(filling_tells_code_field_and_message),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(memory_is_copied_and_can_be_made_to_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
