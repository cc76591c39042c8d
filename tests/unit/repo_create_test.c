#include "backup/repo/repo_create.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_quota_is_a_number_with_a_unit(void **state)
{
    static const char *const good[] = {"1", "500M", "1.5T", "20K", "3G", "0", "999999999999P"};
    static const char *const bad[] = {"",         "G",   "-5G", "5.G", ".5G",   "5X",
                                      "5 G",      "5GG", "5g",  "1e9", "--rsh", "1234567890123",
                                      "1.1234567"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(repo_create_quota_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(repo_create_quota_ok(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_quota_is_a_number_with_a_unit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
