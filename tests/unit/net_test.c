#include "api/handlers/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_hosts_in_the_list_are_allowed(void **state)
{
    static const char list[] = "nas.lan, other:22,,[::1]:443 ,fe80::1,  10.0.0.1";
    assert_true(net_allowed(list, "NAS.lan", 1));
    assert_true(net_allowed(list, "other", 22));
    assert_false(net_allowed(list, "other", 23));
    assert_true(net_allowed(list, "::1", 443));
    assert_false(net_allowed(list, "::1", 80));
    assert_true(net_allowed(list, "fe80::1", 80));
    assert_true(net_allowed(list, "10.0.0.1", 80));
    static const char *const others[] = {"",        "nas",   "nas.lan.evil", "as.lan", "other:22",
                                         "10.0.0.", "[::1]", "fe80",         "*"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(net_allowed(list, others[i], 22));
    assert_false(net_allowed("", "nas.lan", 22));
    assert_false(net_allowed(NULL, "nas.lan", 22));
    assert_false(net_allowed("[::1", "::1", 22));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_hosts_in_the_list_are_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
