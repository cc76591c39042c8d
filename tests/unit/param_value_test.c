#include "api/param_value.h"

#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct param choice = {"mode", PARAM_BODY, PARAM_CHOICE, false, 0, 0, "", "one|two"};
static const struct param list = {"paths", PARAM_BODY, PARAM_LIST, false, 0, 8, ""};
static const struct param words = {"command", PARAM_BODY, PARAM_WORDS, false, 0, 8, ""};
static const struct param numbers = {"ports", PARAM_BODY, PARAM_NUMBERS, false, 1, 65535, ""};
static const struct param seconds = {"timeout", PARAM_BODY, PARAM_SECONDS, false, 100, 10000, ""};
static const struct param text = {"yaml", PARAM_BODY, PARAM_TEXT, false, 1, 10, ""};
static const struct param object = {"config", PARAM_BODY, PARAM_OBJECT, false, 0, 0, ""};

static bool ok(const struct param *p, const char *json)
{
    struct err e = {0};
    json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    bool fine = param_json_ok(p, v, &e);
    if (!fine) {
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, p->name);
        assert_true(e.msg[0] != '\0');
    }
    json_decref(v);
    return fine;
}

static void a_choice_is_one_of_its_words_and_nothing_else(void **state)
{
    assert_true(ok(&choice, "\"one\""));
    assert_true(ok(&choice, "\"two\""));
    assert_false(ok(&choice, "\"\""));
    assert_false(ok(&choice, "\"on\""));
    assert_false(ok(&choice, "\"one|two\""));
    assert_false(ok(&choice, "\"--json\""));
    assert_false(ok(&choice, "1"));
}

static void words_are_one_text_or_several(void **state)
{
    assert_true(ok(&words, "\"one two\""));
    assert_true(ok(&words, "[\"one\", \"two\"]"));
    static const char *const others[] = {
        "\"\"",     "[]", "[\"\"]", "[1]", "1", "{}", "null", "\"ninebytes\"", "[\"ninebytes\"]",
        "\"a\\nb\""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(ok(&words, others[i]));
    struct err e = {0};
    assert_null(param_from_text(&words, "one", &e));
}

static void numbers_are_a_bounded_array_in_their_range(void **state)
{
    assert_true(ok(&numbers, "[1]"));
    assert_true(ok(&numbers, "[65535, 80]"));
    static const char *const others[] = {"[]",      "80",     "\"80\"", "[\"80\"]", "[0]",
                                         "[65536]", "[80.5]", "[null]", "[true]",   "{}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(ok(&numbers, others[i]));
    json_t *many = json_array();
    struct err e = {0};
    for (int i = 0; i < LIMIT_NUMBERS; i++)
        (void)json_array_append_new(many, json_integer(1));
    assert_true(param_json_ok(&numbers, many, &e));
    (void)json_array_append_new(many, json_integer(1));
    assert_false(param_json_ok(&numbers, many, &e));
    json_decref(many);
    assert_null(param_from_text(&numbers, "80", &e));
}

static void seconds_may_have_a_fraction(void **state)
{
    assert_true(ok(&seconds, "0.1"));
    assert_true(ok(&seconds, "10"));
    static const char *const others[] = {"0.09",  "0",    "10.01", "-1",
                                         "\"1\"", "true", "null",  "1e300"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(ok(&seconds, others[i]));
}

static void a_list_is_of_bounded_strings(void **state)
{
    assert_true(ok(&list, "[\"a\", \"12345678\"]"));
    assert_false(ok(&list, "[]"));
    assert_false(ok(&list, "\"a\""));
    assert_false(ok(&list, "[\"\"]"));
    assert_false(ok(&list, "[1]"));
    assert_false(ok(&list, "[\"123456789\"]"));
    assert_false(ok(&list, "[\"a\\nb\"]"));
    json_t *many = json_array();
    for (int i = 0; i <= LIMIT_LIST; i++)
        (void)json_array_append_new(many, json_string("x"));
    struct err e = {0};
    assert_false(param_json_ok(&list, many, &e));
    json_decref(many);
}

static void in_an_address_a_list_is_one_string(void **state)
{
    struct err e = {0};
    json_t *v = param_from_text(&list, "a", &e);
    assert_string_equal(json_string_value(json_array_get(v, 0)), "a");
    json_decref(v);
    assert_null(param_from_text(&list, "123456789", &e));
    assert_null(param_from_text(&object, "{}", &e));
}

static void a_text_may_have_lines_but_no_other_controls(void **state)
{
    assert_true(ok(&text, "\"a: 1\\n\\tb\""));
    assert_false(ok(&text, "\"\""));
    assert_false(ok(&text, "\"12345678901\""));
    assert_false(ok(&text, "\"a\\u001b\""));
    assert_false(ok(&text, "\"a\\u007f\""));
}

static enum err_code refused_text(enum param_type type, int64_t max, const char *given)
{
    const struct param p = {"x", PARAM_QUERY, type, false, 1, max, ""};
    struct err e = {0};
    json_t *v = param_from_text(&p, given, &e);
    json_decref(v);
    assert_true((v == NULL) == (e.code != ERR_NONE));
    return e.code;
}

static void texts_of_an_address_are_judged_as_those_of_a_body(void **state)
{
    assert_int_equal(refused_text(PARAM_STRING, 3, "abc"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_STRING, 3, "abcd"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_STRING, 3, ""), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_STRING, 3, "a\nb"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_BOOL, 0, "true"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_BOOL, 0, "0"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_BOOL, 0, "yes"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_JOB_ID, 0, "create:1"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_JOB_ID, 0, "a b"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_LABEL, 0, ".."), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_INT, 9, "10"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_SECRET, 0, "a secret"), ERR_BAD_REQUEST);
}

static void the_ends_of_what_an_address_may_say(void **state)
{
    char longest[1026];
    memset(longest, 'x', sizeof longest);
    longest[1025] = '\0';
    assert_int_equal(refused_text(PARAM_STRING, 0, longest), ERR_BAD_REQUEST); /* 0: 1024 */
    assert_int_equal(refused_text(PARAM_STRING, 0, longest + 1), ERR_NONE);
    assert_int_equal(refused_text(PARAM_JOB_ID, 0, longest + 1025 - 127), ERR_NONE);
    assert_int_equal(refused_text(PARAM_JOB_ID, 0, longest + 1025 - 128), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_JOB_ID, 0, ""), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_STRING, 9, "a\x7f"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_BOOL, 0, "1"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_BOOL, 0, "false"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_INT, 9, "-"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_INT, 9, "-x"), ERR_BAD_REQUEST);
    assert_int_equal(refused_text(PARAM_INT, INT64_MAX, "9223372036854775807"), ERR_NONE);
    assert_int_equal(refused_text(PARAM_INT, INT64_MAX, "9223372036854775808"), ERR_BAD_REQUEST);
}

/* Nothing is not taken for something, whatever a row asks for. */
static void no_value_at_all_is_refused_for_every_type(void **state)
{
    for (int type = PARAM_STRING; type <= PARAM_OBJECT; type++) {
        if (type == PARAM_BYTES) /* judged as bytes, see param_bytes_ok */
            continue;
        const struct param p = {"x", PARAM_BODY, (enum param_type)type, false, 0, 9, "", "a|b"};
        struct err e = {0};
        assert_false(param_json_ok(&p, NULL, &e));
        assert_int_equal(e.code, type == PARAM_SECRET ? ERR_INVALID_SECRETS : ERR_BAD_REQUEST);
        assert_string_equal(e.field, "x");
    }
}

static void an_integer_without_an_upper_end_is_still_an_integer(void **state)
{
    static const struct param p = {"n", PARAM_BODY, PARAM_INT, false, 0, INT64_MAX, ""};
    assert_true(ok(&p, "9223372036854775807"));
    assert_false(ok(&p, "-1"));
    assert_false(ok(&p, "1.5"));
    assert_false(ok(&p, "null"));
    assert_false(ok(&p, "\"1\""));
}

static void a_list_that_there_is_no_memory_for_is_none(void **state)
{
    struct err e = {0};
    json_use_wiped_memory();
    (void)mem_fail_at(1);
    json_t *v = param_from_text(&list, "a", &e);
    (void)mem_fail_at(0);
    assert_null(v);
    assert_int_equal(e.code, ERR_NONE); /* the value is not to blame: the caller sees that */
}

static void secrets_are_bounded_and_of_one_line(void **state)
{
    static const struct param p = {"pass", PARAM_BODY, PARAM_SECRET, false, 0, 0, ""};
    char longest[LIMIT_SECRET + 2];
    memset(longest, 'x', sizeof longest);
    longest[LIMIT_SECRET + 1] = '\0';
    const char *const rows[] = {"short", "with\ncontrol", longest};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        json_t *v = json_string(rows[i]);
        assert_false(param_json_ok(&p, v, &e));
        assert_int_equal(e.code, ERR_INVALID_SECRETS);
        assert_null(strstr(e.msg, rows[i]));
        json_decref(v);
    }
}

static void an_object_is_an_object(void **state)
{
    assert_true(ok(&object, "{\"a\": [1]}"));
    assert_false(ok(&object, "[]"));
    assert_false(ok(&object, "\"{}\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_is_one_of_its_words_and_nothing_else),
        cmocka_unit_test(words_are_one_text_or_several),
        cmocka_unit_test(numbers_are_a_bounded_array_in_their_range),
        cmocka_unit_test(seconds_may_have_a_fraction),
        cmocka_unit_test(a_list_is_of_bounded_strings),
        cmocka_unit_test(in_an_address_a_list_is_one_string),
        cmocka_unit_test(a_text_may_have_lines_but_no_other_controls),
        cmocka_unit_test(texts_of_an_address_are_judged_as_those_of_a_body),
        cmocka_unit_test(the_ends_of_what_an_address_may_say),
        cmocka_unit_test(no_value_at_all_is_refused_for_every_type),
        cmocka_unit_test(an_integer_without_an_upper_end_is_still_an_integer),
        cmocka_unit_test(a_list_that_there_is_no_memory_for_is_none),
        cmocka_unit_test(secrets_are_bounded_and_of_one_line),
        cmocka_unit_test(an_object_is_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
