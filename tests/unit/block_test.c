#include "jobs/block.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void records_are_found_by_their_id(void **state)
{
    struct block *b = block_new("create:1", 100);
    assert_int_equal(b->first_gid, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(block_add(b, EVENT_STDOUT, 10 + 2 * i, 1, "line", 4, NULL));
    assert_int_equal(b->count, 1000);
    assert_int_equal(b->first_gid, 10);
    assert_int_equal(b->last_gid, 10 + 2 * 999);
    struct event ev;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(block_get(b, 100 + i, &ev));
        assert_int_equal(ev.id, 100 + i);
        assert_int_equal(ev.gid, 10 + 2 * i);
    }
    assert_false(block_get(b, 99, &ev));
    assert_false(block_get(b, 1100, &ev));
    block_unref(b);
}

static void a_failed_append_leaves_the_block_as_it_was(void **state)
{
    struct block *b = block_new("create:1", 0);
    assert_true(block_add(b, EVENT_STDOUT, 1, 1, "first", 5, NULL));
    size_t before = b->text.n;
    static char large[BLOCK_TEXT];
    memset(large, 'x', sizeof large);
    assert_false(block_add(b, EVENT_STDOUT, 2, 1, large, sizeof large, NULL));
    assert_int_equal(b->text.n, before);
    assert_int_equal(b->count, 1);
    for (unsigned n = 1; n < 3; n++) { /* whatever allocation is missing */
        (void)mem_fail_at(n);
        (void)block_add(b, EVENT_STDOUT, 2, 1, large, 3000, NULL);
        (void)mem_fail_at(0);
    }
    assert_true(block_add(b, EVENT_STDOUT, 9, 1, "last", 4, NULL));
    struct event ev;
    for (unsigned i = 0; i < b->count; i++)
        assert_true(block_get(b, i, &ev));
    assert_int_equal(ev.gid, 9);
    block_unref(b);
}

static void one_large_event_fits_beyond_the_usual_size(void **state)
{
    struct block *b = block_new("create:1", 0);
    static char large[LIMIT_RECORD];
    memset(large, '"', sizeof large); /* doubles when escaped */
    assert_true(block_add(b, EVENT_STATUS, 1, 1, large, sizeof large, NULL));
    struct event ev;
    assert_true(block_get(b, 0, &ev));
    assert_true(ev.json_len > 2 * sizeof large);
    block_unref(b);
}

static void it_lives_until_the_last_reference_goes(void **state)
{
    struct block *b = block_new("create:1", 0);
    assert_ptr_equal(block_ref(b), b);
    block_unref(b);
    assert_true(block_add(b, EVENT_STDOUT, 1, 1, "x", 1, NULL));
    block_unref(b);
    block_unref(NULL);
}

static void an_id_that_does_not_fit_is_refused(void **state)
{
    char id[200];
    memset(id, 'x', sizeof id);
    id[128] = '\0';
    assert_null(block_new(id, 0));
    id[127] = '\0';
    struct block *b = block_new(id, 0);
    assert_string_equal(b->job, id);
    block_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_by_their_id),
        cmocka_unit_test(a_failed_append_leaves_the_block_as_it_was),
        cmocka_unit_test(one_large_event_fits_beyond_the_usual_size),
        cmocka_unit_test(it_lives_until_the_last_reference_goes),
        cmocka_unit_test(an_id_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
