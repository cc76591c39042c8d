#include "api/params.h"

#include "call_kit.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct param list[] = {{"label", PARAM_PATH, PARAM_LABEL, true, 0, 0, ""},
                                    {"cursor", PARAM_QUERY, PARAM_INT, false, 0, 100, ""},
                                    {"fast", PARAM_QUERY, PARAM_BOOL, false, 0, 0, ""},
                                    {"repository", PARAM_BODY, PARAM_LABEL, true, 0, 0, ""},
                                    {"borg_passphrase", PARAM_BODY, PARAM_SECRET, false, 1, 0, ""},
                                    {"ssh_passphrase", PARAM_BODY, PARAM_SECRET, false, 0, 0, ""},
                                    {"stats", PARAM_BODY, PARAM_BOOL, false, 0, 0, ""},
                                    {"verbosity", PARAM_BODY, PARAM_INT, false, -2, 2, ""},
                                    {"comment", PARAM_BODY, PARAM_STRING, false, 1, 8, ""},
                                    {.name = NULL}};

static struct route old_route = {.method = HTTP_M_POST, .params = list, .compatible = true};
static struct route new_route = {.method = HTTP_M_POST, .params = list};

/* The code that a body is refused with. */
static enum err_code refused(const char *body)
{
    struct asked a;
    make(&a, &old_route, "", body);
    (void)check(&a);
    enum err_code code = a.e.code;
    done(&a);
    return code;
}

static void values_come_typed_from_path_query_and_body(void **state)
{
    struct asked a;
    make(&a, &new_route, "cursor=7&fast=1",
         "{\"repository\":\"a.b-c_9\",\"stats\":false,\"verbosity\":-1,\"comment\":null}");
    assert_true(check(&a));
    assert_string_equal(call_str(&a.c, "label", ""), "prod");
    assert_int_equal(call_int(&a.c, "cursor", 0), 7);
    assert_true(call_bool(&a.c, "fast", false));
    assert_string_equal(call_str(&a.c, "repository", ""), "a.b-c_9");
    assert_false(call_bool(&a.c, "stats", true));
    assert_int_equal(call_int(&a.c, "verbosity", 0), -1);
    assert_false(call_has(&a.c, "comment"));
    done(&a);
}

static void bytes_are_kept_as_they_are_and_shown_encoded(void **state)
{
    static const struct param bytes[] = {{"path", PARAM_QUERY, PARAM_BYTES, true, 1, 4, ""},
                                         {"other", PARAM_BODY, PARAM_BYTES, false, 0, 4, ""},
                                         {"text", PARAM_QUERY, PARAM_STRING, false, 0, 9, ""},
                                         {.name = NULL}};
    static const struct route r = {.method = HTTP_M_POST, .params = bytes};
    struct asked a;
    make(&a, &r, "path=%ff%0a%25", "{\"other\":\"a\\nb\"}");
    assert_true(check(&a));
    assert_string_equal(call_bytes(&a.c, "path", NULL), "\xff\n%");
    assert_string_equal(call_str(&a.c, "path", NULL), "%FF%0A%25");
    assert_string_equal(call_bytes(&a.c, "other", NULL), "a\nb");
    assert_null(call_bytes(&a.c, "text", NULL));
    done(&a);
    static const struct {
        const char *query, *body, *field;
    } bad[] = {{"path=", "", "path"},
               {"path=12345", "", "path"},
               {"", "", "path"},
               {"path=a&text=%ff", "", "text"},
               {"path=a&more=%ff", "", "more"},
               {"path=a", "{\"other\":1}", "other"},
               {"path=a", "{\"other\":\"12345\"}", "other"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        make(&a, &r, bad[i].query, bad[i].body);
        assert_false(check(&a));
        assert_int_equal(a.e.code, ERR_BAD_REQUEST);
        assert_string_equal(a.e.field, bad[i].field);
        done(&a);
    }
}

static void all_faults_are_listed_together(void **state)
{
    struct asked a;
    make(&a, &old_route, "cursor=101&fast=yes",
         "{\"stats\":\"true\",\"verbosity\":3,\"comment\":\"123456789\",\"verbosty\":1}");
    assert_false(check(&a));
    assert_int_equal(a.e.code, ERR_BAD_REQUEST);
    static const char *const fields[] = {"cursor",  "fast",     "stats",     "verbosity",
                                         "comment", "verbosty", "repository"};
    assert_int_equal(a.c.fault_count, 7);
    for (size_t i = 0; i < 7; i++) {
        bool found = false;
        for (size_t k = 0; k < a.c.fault_count; k++)
            found = found || strcmp(a.c.faults[k].field, fields[i]) == 0;
        assert_true(found);
    }
    done(&a);
}

static void a_boolean_in_quotes_is_refused_with_a_hint(void **state)
{
    struct asked a;
    make(&a, &old_route, "", "{\"repository\":\"r\",\"stats\":\"false\"}");
    assert_false(check(&a));
    assert_string_equal(a.e.field, "stats");
    assert_non_null(strstr(a.e.msg, "without quotes"));
    done(&a);
    assert_int_equal(refused("{\"repository\":\"r\",\"stats\":1}"), ERR_BAD_REQUEST);
    assert_int_equal(refused("{\"repository\":\"r\",\"verbosity\":\"1\"}"), ERR_BAD_REQUEST);
    assert_int_equal(refused("{\"repository\":\"r\",\"verbosity\":1.0}"), ERR_BAD_REQUEST);
    assert_int_equal(refused("{\"repository\":[]}"), ERR_BAD_REQUEST);
}

static void labels_are_judged_whole(void **state)
{
    static const char *const bad[] = {"", "..", ".a", "-a", "a/b", "a b", "a\n", "\xC3\xA9"};
    char long_one[LIMIT_LABEL + 2];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(params_is_label(bad[i]));
    memset(long_one, 'a', sizeof long_one);
    long_one[LIMIT_LABEL + 1] = '\0';
    assert_false(params_is_label(long_one));
    long_one[LIMIT_LABEL] = '\0';
    assert_true(params_is_label(long_one));
    assert_true(params_is_label("0"));
    assert_int_equal(refused("{\"repository\":\"prod\\n\"}"), ERR_BAD_REQUEST);
}

static void a_required_field_is_named_in_the_reference_apis_words(void **state)
{
    struct asked a;
    make(&a, &old_route, "", "");
    assert_false(check(&a));
    assert_string_equal(a.e.msg, "repository required");
    assert_int_equal(a.c.fault_count, 1);
    done(&a);
}

static void unknown_fields_are_ignored_and_listed_on_the_old_routes_alone(void **state)
{
    static const char body[] = "{\"repository\":\"r\",\"something_else\":{\"a\":1}}";
    struct asked a;
    make(&a, &old_route, "nocache=1", body);
    assert_true(check(&a));
    assert_int_equal(a.c.ignored_count, 2);
    assert_string_equal(a.c.ignored[1], "something_else");
    done(&a);
    make(&a, &new_route, "", body);
    assert_false(check(&a));
    assert_string_equal(a.e.field, "something_else");
    done(&a);
    make(&a, &old_route, "", body);
    add_header(&a, "prefer", "respond-async, handling=strict; wait=9");
    assert_false(check(&a));
    assert_true(a.c.prefer_async && a.c.prefer_strict);
    assert_int_equal(a.c.prefer_wait_s, 9);
    done(&a);
}

static void a_slip_of_the_finger_is_always_refused(void **state)
{
    static const char *const slips[] = {"repositroy", "stat", "borg_pasphrase", "Verbosity",
                                        "comments"};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        char body[128];
        struct asked a;
        (void)snprintf(body, sizeof body, "{\"repository\":\"r\",\"%s\":1}", slips[i]);
        make(&a, &old_route, "", body);
        assert_false(check(&a));
        assert_non_null(strstr(a.e.msg, "did you mean"));
        done(&a);
    }
}

static void secrets_are_taken_out_of_the_body_and_never_come_into_the_values(void **state)
{
    struct asked a;
    make(&a, &old_route, "",
         "{\"repository\":\"r\",\"borg_passphrase\":\"x\",\"ssh_passphrase\":\"longer one\"}");
    assert_true(check(&a));
    assert_string_equal(secret_bytes(call_secret(&a.c, "borg_passphrase")), "x");
    assert_string_equal(secret_bytes(call_secret(&a.c, "ssh_passphrase")), "longer one");
    assert_null(json_object_get(a.c.params, "borg_passphrase"));
    assert_null(json_object_get(a.c.body, "borg_passphrase"));
    assert_true(call_has(&a.c, "ssh_passphrase"));
    done(&a);
}

static void bad_secrets_are_told_without_showing_them(void **state)
{
    static const char *const bad[] = {
        "{\"repository\":\"r\",\"ssh_passphrase\":\"short\"}",
        "{\"repository\":\"r\",\"borg_passphrase\":\"\"}",
        "{\"repository\":\"r\",\"borg_passphrase\":\"abc\\ndefgh\"}",
        "{\"repository\":\"r\",\"borg_passphrase\":12345678}",
        "{\"repository\":\"r\",\"borg_passphrase\":\"same-one\",\"ssh_passphrase\":\"same-one\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct asked a;
        make(&a, &old_route, "", bad[i]);
        assert_false(check(&a));
        assert_int_equal(a.e.code, ERR_INVALID_SECRETS);
        assert_null(strstr(a.e.msg, "same-one"));
        assert_null(strstr(a.e.msg, "12345"));
        done(&a);
    }
    assert_int_equal(refused("{\"ssh_passphrase\":\"short\"}"), ERR_BAD_REQUEST);
}

static void bodies_are_read_under_the_types_that_clients_send(void **state)
{
    static const struct {
        const char *type;
        enum err_code code;
    } rows[] = {{"application/json", ERR_NONE},
                {"Application/JSON; charset=utf-8", ERR_NONE},
                {"application/problem+json", ERR_NONE},
                {"text/plain", ERR_NONE},
                {"application/x-www-form-urlencoded", ERR_NONE},
                {"application/xml", ERR_UNSUPPORTED_MEDIA},
                {"multipart/form-data; boundary=x", ERR_UNSUPPORTED_MEDIA}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        make(&a, &old_route, "", "{\"repository\":\"r\"}");
        add_header(&a, "content-type", rows[i].type);
        (void)check(&a);
        assert_int_equal(a.e.code, rows[i].code);
        done(&a);
    }
}

static void a_body_that_is_no_object_is_refused(void **state)
{
    static const char *const bad[] = {"[]",
                                      "\"x\"",
                                      "1",
                                      "null",
                                      "{",
                                      "{}x",
                                      "{\"a\"}",
                                      "repository=r",
                                      "{,}",
                                      " ",
                                      "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(refused(bad[i]), ERR_INVALID_JSON);
}

static void paths_are_decoded_and_judged(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {{"a%2Eb", true}, {"a%2Fb", false}, {"a%00b", false},
                {"a%", false},   {"%61", true},    {"a%0Ab", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        make(&a, &old_route, "", "{\"repository\":\"r\"}");
        a.c.path_values[0] = rows[i].text;
        a.c.path_lengths[0] = strlen(rows[i].text);
        assert_int_equal(check(&a), rows[i].ok);
        assert_string_equal(rows[i].ok ? "label" : a.e.field, "label");
        done(&a);
    }
}

static void numbers_of_a_query_are_whole_and_in_range(void **state)
{
    static const char *const bad[] = {
        "cursor=",     "cursor=-1",         "cursor=1x",
        "cursor=%201", "cursor=1e2",        "cursor=99999999999999999999",
        "fast=",       "cursor=1&cursor=2", "cursr=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct asked a;
        make(&a, &old_route, bad[i], "{\"repository\":\"r\"}");
        assert_false(check(&a));
        assert_int_equal(a.e.code, ERR_BAD_REQUEST);
        done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_typed_from_path_query_and_body),
        cmocka_unit_test(bytes_are_kept_as_they_are_and_shown_encoded),
        cmocka_unit_test(all_faults_are_listed_together),
        cmocka_unit_test(a_boolean_in_quotes_is_refused_with_a_hint),
        cmocka_unit_test(labels_are_judged_whole),
        cmocka_unit_test(a_required_field_is_named_in_the_reference_apis_words),
        cmocka_unit_test(unknown_fields_are_ignored_and_listed_on_the_old_routes_alone),
        cmocka_unit_test(a_slip_of_the_finger_is_always_refused),
        cmocka_unit_test(secrets_are_taken_out_of_the_body_and_never_come_into_the_values),
        cmocka_unit_test(bad_secrets_are_told_without_showing_them),
        cmocka_unit_test(bodies_are_read_under_the_types_that_clients_send),
        cmocka_unit_test(a_body_that_is_no_object_is_refused),
        cmocka_unit_test(paths_are_decoded_and_judged),
        cmocka_unit_test(numbers_of_a_query_are_whole_and_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
