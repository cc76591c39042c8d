#include "base/buf.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void grows_and_ends_with_a_nul(void **state)
{
    struct buf b;
    buf_init(&b, 10000);
    for (int i = 0; i < 1000; i++)
        assert_true(buf_puts(&b, "abc"));
    assert_int_equal(b.n, 3000);
    assert_int_equal(strlen(buf_str(&b)), 3000);
    buf_done(&b);
    assert_string_equal(buf_str(&b), "");
}

static void an_append_past_the_maximum_changes_nothing_and_sticks(void **state)
{
    struct buf b;
    buf_init(&b, 5);
    assert_true(buf_puts(&b, "12345"));
    assert_false(buf_putc(&b, '6'));
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "12345");
    buf_reset(&b);
    assert_true(buf_puts(&b, "x"));
    buf_done(&b);
}

static void failed_memory_is_a_failed_append(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    (void)mem_fail_at(1);
    assert_false(buf_puts(&b, "x"));
    (void)mem_fail_at(0);
    assert_null(buf_take(&b, NULL));
}

static void formats_numbers_and_consumes(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    assert_true(buf_u64(&b, 0));
    assert_true(buf_u64(&b, 18446744073709551615ULL));
    assert_true(buf_printf(&b, "-%s", "end"));
    assert_string_equal(buf_str(&b), "018446744073709551615-end");
    buf_consume(&b, 21);
    assert_string_equal(buf_str(&b), "-end");
    size_t n = 0;
    char *p = buf_take(&b, &n);
    assert_int_equal(n, 4);
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_ends_with_a_nul),
        cmocka_unit_test(an_append_past_the_maximum_changes_nothing_and_sticks),
        cmocka_unit_test(failed_memory_is_a_failed_append),
        cmocka_unit_test(formats_numbers_and_consumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
