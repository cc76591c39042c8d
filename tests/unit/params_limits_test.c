/* Where a request says more than a call holds, or more than there is memory for. */
#include "api/params.h"

#include "base/json.h"
#include "base/mem.h"
#include "call_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct param list[] = {{"label", PARAM_PATH, PARAM_LABEL, true, 0, 0, ""},
                                    {"name", PARAM_QUERY, PARAM_BYTES, false, 0, 9, ""},
                                    {"repository", PARAM_BODY, PARAM_LABEL, true, 0, 0, ""},
                                    {"passphrase", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                    {"key_passphrase", PARAM_BODY, PARAM_SECRET, false, 0, 0, ""},
                                    {.name = NULL}};
static const struct route old_route = {.method = HTTP_M_POST, .params = list, .compatible = true};
static const struct route new_route = {.method = HTTP_M_POST, .params = list};

enum { BODY = 4096 };

static void with_unknown_fields(char body[BODY], int count)
{
    size_t n = (size_t)snprintf(body, BODY, "{\"repository\":\"one\"");
    for (int i = 0; i < count; i++)
        n += (size_t)snprintf(body + n, BODY - n, ",\"odd%d\":1", i);
    (void)snprintf(body + n, BODY - n, "}");
}

static void of_many_faults_so_many_are_listed(void **state)
{
    char body[BODY];
    struct asked a;
    with_unknown_fields(body, CALL_FAULTS + 4);
    make(&a, &new_route, "", body);
    assert_false(check(&a));
    assert_int_equal(a.c.fault_count, CALL_FAULTS);
    done(&a);
}

static void of_many_ignored_fields_so_many_are_listed(void **state)
{
    char body[BODY];
    struct asked a;
    with_unknown_fields(body, CALL_IGNORED + 1);
    make(&a, &old_route, "", body);
    assert_true(check(&a));
    assert_int_equal(a.c.ignored_count, CALL_IGNORED);
    assert_string_equal(a.c.ignored[CALL_IGNORED - 1], "odd15");
    done(&a);
}

static void more_secrets_than_a_call_holds_are_our_fault(void **state)
{
    static const struct param many[] = {{"a", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                        {"b", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                        {"c", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                        {"d", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                        {"e", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                        {.name = NULL}};
    static const struct route route = {.method = HTTP_M_POST, .params = many};
    struct asked a;
    make(&a, &route, "", "{\"a\":\"111\",\"b\":\"222\",\"c\":\"333\",\"d\":\"444\",\"e\":\"555\"}");
    assert_false(check(&a));
    assert_int_equal(a.e.code, ERR_INTERNAL);
    done(&a);
}

static void more_bytes_than_a_call_holds_are_our_fault(void **state)
{
    static const struct param many[] = {{"a", PARAM_QUERY, PARAM_BYTES, false, 1, 9, ""},
                                        {"b", PARAM_QUERY, PARAM_BYTES, false, 1, 9, ""},
                                        {"c", PARAM_QUERY, PARAM_BYTES, false, 1, 9, ""},
                                        {.name = NULL}};
    static const struct route route = {.method = HTTP_M_POST, .params = many};
    struct asked a;
    make(&a, &route, "a=1&b=2&c=3", "");
    assert_false(check(&a));
    assert_int_equal(a.e.code, ERR_INTERNAL);
    assert_int_equal(a.c.bytes_count, CALL_BYTES);
    done(&a);
}

static void two_bad_secrets_are_a_fault_of_secrets(void **state)
{
    struct asked a;
    make(&a, &old_route, "",
         "{\"repository\":\"one\",\"passphrase\":\"\",\"key_passphrase\":\"short\"}");
    assert_false(check(&a));
    assert_int_equal(a.e.code, ERR_INVALID_SECRETS);
    assert_int_equal(a.c.fault_count, 2);
    done(&a);
}

static void a_route_without_parameters_knows_no_name(void **state)
{
    static const struct route none = {.method = HTTP_M_POST},
                              any = {.method = HTTP_M_POST, .compatible = true};
    struct asked a;
    make(&a, &none, "", "{\"x\":1}");
    assert_false(check(&a));
    assert_string_equal(a.e.field, "x");
    done(&a);
    make(&a, &any, "", "{\"x\":1}");
    assert_true(check(&a));
    assert_int_equal(a.c.ignored_count, 1);
    done(&a);
}

static void without_memory_a_request_is_refused_and_never_halved(void **state)
{
    json_use_wiped_memory();
    unsigned refused = 0, taken = 0;
    bool failed = true; /* an allocation */
    for (unsigned long n = 1; failed; n++) {
        struct asked a;
        make(&a, &old_route, "name=%ff",
             "{\"repository\":\"one\",\"passphrase\":\"secret\",\"nonsense\":1}");
        (void)mem_fail_at(n);
        bool ok = check(&a);
        failed = mem_fail_at(0) >= n;
        refused += !ok;
        taken += ok;
        if (ok) {
            assert_string_equal(call_str(&a.c, "label", ""), "prod");
            assert_string_equal(call_str(&a.c, "repository", ""), "one");
            assert_string_equal(call_bytes(&a.c, "name", ""), "\xff");
            assert_string_equal(call_str(&a.c, "name", ""), "%FF");
            assert_string_equal(secret_bytes(call_secret(&a.c, "passphrase")), "secret");
        } else if (a.e.code != ERR_NO_MEMORY) {
            fail_msg("allocation %lu: %s", n, a.e.msg);
        }
        done(&a);
    }
    assert_true(refused > 8 && taken == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_many_faults_so_many_are_listed),
        cmocka_unit_test(of_many_ignored_fields_so_many_are_listed),
        cmocka_unit_test(more_secrets_than_a_call_holds_are_our_fault),
        cmocka_unit_test(more_bytes_than_a_call_holds_are_our_fault),
        cmocka_unit_test(two_bad_secrets_are_a_fault_of_secrets),
        cmocka_unit_test(a_route_without_parameters_knows_no_name),
        cmocka_unit_test(without_memory_a_request_is_refused_and_never_halved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
