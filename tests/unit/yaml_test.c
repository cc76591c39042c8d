#include "base/yaml.h"

#include "limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct yaml *parse(const char *text)
{
    struct err e = {0};
    struct yaml *y = yaml_doc_parse(text, strlen(text), &e);
    if (!y)
        fail_msg("%s: %s", text, e.msg);
    return y;
}

static void refused(const char *text, size_t n, const char *words)
{
    struct err e = {0};
    assert_null(yaml_doc_parse(text, n, &e));
    assert_int_equal(e.code, ERR_INVALID_CONFIG);
    if (!strstr(e.msg, words))
        fail_msg("\"%s\" is not in \"%s\"", words, e.msg);
}

static void as_json(const char *text, const char *expected)
{
    struct yaml *y = parse(text);
    json_t *v = yaml_to_json(yaml_doc_root(y), NULL);
    char *got = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(got, expected);
    void *(*alloc)(size_t);
    void (*release)(void *);
    json_get_alloc_funcs(&alloc, &release);
    release(got);
    json_decref(v);
    yaml_doc_free(y);
}

static void scalars_mean_what_pyyaml_takes_them_for(void **state)
{
    as_json("[~, null, Null, '', \"null\"]", "[null,null,null,\"\",\"null\"]");
    as_json("[yes, No, ON, off, true, y, n, 'yes']",
            "[true,false,true,false,true,\"y\",\"n\",\"yes\"]");
    as_json("[0, 7, -7, +7, 0x1F, 017, 0b101, 1_000, 1:30]", "[0,7,-7,7,31,15,5,1000,90]");
    as_json("[08, 0o17, 0x0x1, 1e3, 9223372036854775808]",
            "[\"08\",\"0o17\",\"0x0x1\",\"1e3\",\"9223372036854775808\"]");
    as_json("[1.5, .5, 1.0e+3, -2.5]", "[1.5,0.5,1000.0,-2.5]");
    as_json("[1.2.3, ., 1.e3, .inf]", "[\"1.2.3\",\".\",\"1.e3\",\".inf\"]");
    as_json("a: 2024-01-01\nb: 2024-01-01T00:00:00Z",
            "{\"a\":\"2024-01-01\",\"b\":\"2024-01-01T00:00:00Z\"}");
}

static void tags_and_aliases_are_kept(void **state)
{
    as_json("a: !include b.yaml\nc: !retain\n  d: 1\n",
            "{\"a\":{\"!include\":\"b.yaml\"},\"c\":{\"!retain\":{\"d\":1}}}");
    as_json("a: &x [1, 2]\nb: *x\n<<: {c: 3}", "{\"a\":[1,2],\"b\":[1,2],\"<<\":{\"c\":3}}");
    struct yaml *y = parse("a: &x {k: v}\nb: *x\na2: 1\na2: 2");
    assert_string_equal(yaml_get(yaml_get(yaml_doc_root(y), "b"), "k")->text, "v");
    assert_int_equal(yaml_get(yaml_doc_root(y), "a2")->i, 2);
    assert_null(yaml_get(yaml_doc_root(y), "k"));
    assert_null(yaml_get(NULL, "k"));
    yaml_doc_free(y);
}

static void a_value_knows_where_it_stands_in_the_text(void **state)
{
    static const char text[] = "\xC3\xA4: !t &a \"\xE2\x82\xAC\" # c\nb: |\n  x\n  y\nc: d e\n";
    static const char *const expected[] = {"\"\xE2\x82\xAC\"", "|\n  x\n  y\n", "d e"};
    struct yaml *y = parse(text);
    struct yaml_node *k = yaml_doc_root(y)->first;
    for (size_t i = 0; i < 3; i++, k = k->next->next) {
        const struct yaml_node *v = k->next;
        assert_int_equal(v->end - v->start, strlen(expected[i]));
        assert_memory_equal(text + v->start, expected[i], strlen(expected[i]));
    }
    yaml_doc_free(y);
}

static void what_is_unsound_is_refused_with_its_place_and_without_a_quote(void **state)
{
    static const char *const bad[][2] = {
        {"a: [secret", "line"},
        {"a: 1\n--- \nb: 2", "a second document"},
        {"a: *secret", "an alias of nothing"},
        {"a: &x [*x]", "a value that holds itself"},
        {"a: \"\xff\"", "not utf-8"},
        {"a: b: secret", "line 1"},
        {"\ta: 1", "line 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i][0], strlen(bad[i][0]), bad[i][1]);
    struct err e = {0};
    assert_null(yaml_doc_parse("a: [secret", 10, &e));
    assert_null(strstr(e.msg, "secret"));
    static const char utf16[] = "\xff\xfe"
                                "a\0:\0";
    refused(utf16, sizeof utf16 - 1, "not utf-8");
}

static void an_empty_text_has_no_root(void **state)
{
    struct yaml *y = parse("# nothing\n");
    assert_null(yaml_doc_root(y));
    assert_null(yaml_real(NULL));
    yaml_doc_free(y);
    yaml_doc_free(NULL);
}

static void everything_is_bounded(void **state)
{
    static char text[LIMIT_YAML + 2];
    memset(text, '[', LIMIT_YAML_DEPTH + 1);
    refused(text, LIMIT_YAML_DEPTH + 1, "nested too deeply");
    for (size_t i = 0; i < LIMIT_YAML / 4; i++)
        memcpy(text + 4 * i, "- a\n", 4);
    refused(text, LIMIT_YAML, "too many values");
    memset(text, 'a', sizeof text);
    refused(text, LIMIT_YAML + 1, "longer than");
    size_t n = (size_t)snprintf(text, sizeof text, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) { /* a billion values in ten lines */
        n += (size_t)snprintf(text + n, sizeof text - n, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s*a%d", k ? "," : "", i - 1);
        n += (size_t)snprintf(text + n, sizeof text - n, "]\n");
    }
    refused(text, n, "once its aliases are written out");
}

static void json_becomes_yaml_that_means_the_same(void **state)
{
    static const char *const values[] = {
        "{\"a\":[1,-2,1.5,true,null,\"yes\",\"- x\",\"\"],\"b\":{\"c\":[],\"d\":{}},\"e\":[[1],[2]]}",
        "{\"x\\ny\":\"\\\"\\\\\\n\\t\\u0085\\u2028\\ufeff\\u20ac\\u00e4\\u0001\",\"k: v\":\"#\"}",
        "{\"r\":{\"!include\":\"a b.yaml\"},\"s\":{\"!retain\":{\"t\":[1]}}}",
        "[1,{\"a\":2}]",
        "\"text\"",
        "{}",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf out;
        json_t *v = json_loads(values[i], JSON_DECODE_ANY, NULL);
        buf_init(&out, LIMIT_YAML);
        assert_non_null(v);
        assert_true(yaml_from_json(v, &out));
        struct yaml *y = parse(buf_str(&out));
        json_t *again = yaml_to_json(yaml_doc_root(y), NULL);
        if (!json_equal(v, again))
            fail_msg("%s became\n%s", values[i], buf_str(&out));
        json_decref(again);
        json_decref(v);
        yaml_doc_free(y);
        buf_done(&out);
    }
    struct buf out;
    buf_init(&out, LIMIT_YAML);
    json_t *v = json_pack("{s:{s:s}}", "a", "!x: y\nb", "c");
    assert_false(yaml_from_json(v, &out));
    json_decref(v);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_mean_what_pyyaml_takes_them_for),
        cmocka_unit_test(tags_and_aliases_are_kept),
        cmocka_unit_test(a_value_knows_where_it_stands_in_the_text),
        cmocka_unit_test(what_is_unsound_is_refused_with_its_place_and_without_a_quote),
        cmocka_unit_test(an_empty_text_has_no_root),
        cmocka_unit_test(everything_is_bounded),
        cmocka_unit_test(json_becomes_yaml_that_means_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
