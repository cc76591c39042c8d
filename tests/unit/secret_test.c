#include "base/secret.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void keeps_the_bytes_and_their_number(void **state)
{
    struct secret *s = secret_new("pass\0phrase", 11);
    assert_int_equal(secret_len(s), 11);
    assert_memory_equal(secret_bytes(s), "pass\0phrase", 12);
    struct secret *copy = secret_dup(s);
    assert_ptr_not_equal(copy, s);
    assert_true(secret_equal(copy, s));
    secret_freep(&s);
    assert_null(s);
    assert_int_equal(secret_len(copy), 11);
    secret_free(copy);
}

static void equals_only_the_same_bytes(void **state)
{
    struct secret *s = secret_new("token", 5);
    struct secret *other = secret_new("tokeN", 5);
    assert_true(secret_equal_bytes(s, "token", 5));
    assert_false(secret_equal_bytes(s, "tokens", 6));
    assert_false(secret_equal_bytes(s, "toke", 4));
    assert_false(secret_equal(s, other));
    assert_false(secret_equal(s, NULL));
    assert_false(secret_equal(NULL, s));
    secret_free(s);
    secret_free(other);
}

static void nothing_is_a_secret_too(void **state)
{
    assert_int_equal(secret_len(NULL), 0);
    assert_string_equal(secret_bytes(NULL), "");
    assert_null(secret_dup(NULL));
    assert_true(secret_equal(NULL, NULL));
    assert_false(secret_equal_bytes(NULL, "", 0));
    secret_free(NULL);
    struct secret *empty = secret_new(NULL, 0);
    assert_string_equal(secret_bytes(empty), "");
    assert_true(secret_equal_bytes(empty, "", 0));
    secret_free(empty);
}

static void failed_memory_is_no_secret(void **state)
{
    (void)mem_fail_at(1);
    assert_null(secret_new("x", 1));
    (void)mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_bytes_and_their_number),
        cmocka_unit_test(equals_only_the_same_bytes),
        cmocka_unit_test(nothing_is_a_secret_too),
        cmocka_unit_test(failed_memory_is_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
