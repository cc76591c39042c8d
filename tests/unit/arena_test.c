#include "base/arena.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void gives_zeroed_memory_aligned_for_any_type(void **state)
{
    struct arena a;
    for (size_t n = 3900; n < 4200; n += 16) { /* the allocator hands out used memory next */
        char *junk = mem_alloc(n);
        memset(junk, 0xAA, n);
        mem_free(junk);
    }
    arena_init(&a, 100000);
    for (size_t n = 0; n < 300; n++) {
        unsigned char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n);
    }
    arena_done(&a);
}

static void refuses_what_goes_past_its_maximum_and_goes_on_with_less(void **state)
{
    struct arena a;
    arena_init(&a, 8192);
    assert_null(arena_alloc(&a, 8193));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_non_null(arena_alloc(&a, 8000));
    assert_null(arena_alloc(&a, 4000));
    assert_non_null(arena_alloc(&a, 64));
    arena_done(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 8192));
    arena_done(&a);
}

static void copies_and_formats_text(void **state)
{
    struct arena a;
    arena_init(&a, 8192);
    assert_string_equal(arena_strndup(&a, "repository", 4), "repo");
    assert_string_equal(arena_strndup(&a, "", 0), "");
    assert_string_equal(arena_printf(&a, "%s:%d", "create", 17), "create:17");
    assert_null(arena_printf(&a, "%9000d", 1));
    arena_done(&a);
}

static void failed_memory_is_no_memory(void **state)
{
    struct arena a;
    arena_init(&a, 8192);
    (void)mem_fail_at(1);
    assert_null(arena_alloc(&a, 1));
    (void)mem_fail_at(1);
    assert_null(arena_printf(&a, "x"));
    (void)mem_fail_at(1);
    assert_null(arena_strndup(&a, "x", 1));
    (void)mem_fail_at(0);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_memory_aligned_for_any_type),
        cmocka_unit_test(refuses_what_goes_past_its_maximum_and_goes_on_with_less),
        cmocka_unit_test(copies_and_formats_text),
        cmocka_unit_test(failed_memory_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
