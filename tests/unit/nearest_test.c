#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void counts_the_slips_between_two_names(void **state)
{
    assert_int_equal(nearest_distance("stats", "stats"), 0);
    assert_int_equal(nearest_distance("stats", "STATS"), 0);
    assert_int_equal(nearest_distance("stats", "stat"), 1);
    assert_int_equal(nearest_distance("stats", "statss"), 1);
    assert_int_equal(nearest_distance("stats", "stets"), 1);
    assert_int_equal(nearest_distance("stats", "sttas"), 1);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("repository", "repo"), 6);
}

static void is_the_same_in_both_directions(void **state)
{
    static const char *const words[] = {"", "a", "queue", "quueue", "timeout", "time", "tiemuot"};
    for (size_t i = 0; i < 7; i++)
        for (size_t k = 0; k < 7; k++)
            assert_int_equal(nearest_distance(words[i], words[k]),
                             nearest_distance(words[k], words[i]));
}

static void a_name_that_is_too_long_is_far(void **state)
{
    char name[NEAREST_NAME + 2];
    memset(name, 'a', sizeof name);
    name[NEAREST_NAME + 1] = '\0';
    assert_int_equal(nearest_distance(name, "a"), NEAREST_NAME);
    name[NEAREST_NAME] = '\0';
    assert_int_equal(nearest_distance(name, name), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_the_slips_between_two_names),
        cmocka_unit_test(is_the_same_in_both_directions),
        cmocka_unit_test(a_name_that_is_too_long_is_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
