/* The two keys changed in the text, without a file. */
#include "aio/config/config_file.h"

#include "base/json.h"
#include "base/mem.h"
#include "config_kit.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct buf out;
static struct err e;

static int setup(void **state)
{
    memset(&e, 0, sizeof e);
    buf_init(&out, AIO_CONFIG_BYTES);
    return 0;
}

static int teardown(void **state)
{
    buf_done(&out);
    return 0;
}

static const char *edit(const char *text, const char *local, const char *remote)
{
    struct aio_target t = place(local, remote);
    buf_reset(&out);
    return config_file_edit(text, strlen(text), &t, &out, &e) ? buf_str(&out) : NULL;
}

static void only_the_values_change_and_every_other_byte_stays(void **state)
{
    assert_string_equal(edit(php, "/mnt/other", ""), with(php, "/mnt/backup", "/mnt/other"));
    const char *remote =
        with(php, "\"borg_remote_repo\": \"\"", "\"borg_remote_repo\": \"ssh://u@h:22/./r\"");
    const char *both = with(remote, "\"/mnt/backup\"", "\"\"");
    assert_string_equal(edit(php, "", "ssh://u@h:22/./r"), both);
    assert_string_equal(edit(php, "/mnt/backup", ""), php);
    assert_string_equal(edit(both, "/mnt/backup", ""), php);
}

static void jq_writes_two_blanks_and_a_line_at_the_end(void **state)
{
    const char *jq = "{\n  \"borg_remote_repo\": \"a@b:c\",\n  \"x\": [\n    1\n  ]\n}\n";
    assert_string_equal(edit(jq, "", "a@b:d"),
                        "{\n  \"borg_remote_repo\": \"a@b:d\",\n  \"x\": [\n    1\n  ]\n}\n");
    assert_string_equal(edit(jq, "/m/é", ""),
                        "{\n  \"borg_remote_repo\": \"\",\n  \"x\": [\n    1\n  ],\n"
                        "  \"borg_backup_host_location\": \"/m/\\u00e9\"\n}\n");
}

static void what_is_absent_is_added_unless_it_is_to_be_empty(void **state)
{
    const char *text = "{\n    \"domain\": \"x\"\n}";
    assert_string_equal(edit(text, "/a", ""), "{\n    \"domain\": \"x\",\n"
                                              "    \"borg_backup_host_location\": \"/a\"\n}");
    assert_string_equal(edit(text, "", ""), text);
    assert_string_equal(edit(text, "/a", "b@c:d"),
                        "{\n    \"domain\": \"x\",\n    \"borg_backup_host_location\": \"/a\",\n"
                        "    \"borg_remote_repo\": \"b@c:d\"\n}");
    assert_string_equal(edit("\n{\n}", "", ""), "\n{\n}");
    assert_string_equal(edit("{\n}", "/a", ""), "{\n    \"borg_backup_host_location\": \"/a\"\n}");
    assert_string_equal(edit("{}", "/a", ""), "{\n    \"borg_backup_host_location\": \"/a\"\n}");
    assert_string_equal(edit("{\n    \"borg_remote_repo\": null\n}", "", "a@b:c"),
                        "{\n    \"borg_remote_repo\": \"a@b:c\"\n}");
}

static void text_is_escaped_as_php_does(void **state)
{
    const char *text = "{\n    \"borg_backup_host_location\": \"\"\n}";
    const char *got =
        edit(text, "/a\"b\\c/\b\f\n\r\t\x01\x7f'<>&\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "");
    assert_string_equal(got, "{\n    \"borg_backup_host_location\": \"/a\\\"b\\\\c/\\b\\f\\n\\r\\t"
                             "\\u0001\x7f'<>&\\u00e9\\u20ac\\ud83d\\ude00\"\n}");
    assert_null(edit(text, "/\xff", ""));
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    memset(&e, 0, sizeof e);
    assert_null(edit(text, "", "a@b:\xff"));
    assert_int_equal(e.code, ERR_BAD_REQUEST);
}

static void a_key_may_be_written_with_escapes(void **state)
{
    assert_string_equal(
        edit("{\n \"borg\\u005fremote_repo\" : \"a@b:c\" ,\n \"z\":1}", "", "a@b:d"),
        "{\n \"borg\\u005fremote_repo\" : \"a@b:d\" ,\n \"z\":1}");
}

static void a_key_of_the_same_length_is_another(void **state)
{
    const char *text = "{\n \"borg_remote_repo\": \"\",\n \"borg_remote_repX\": \"\"\n}";
    assert_string_equal(edit(text, "", "a@b:d"), with(text, "_repo\": \"\"", "_repo\": \"a@b:d\""));
}

static void any_white_space_may_stand_between(void **state)
{
    assert_string_equal(
        edit("{\r\n\t\"a\"\t:\r\n1\t,\r\n\t\"borg_remote_repo\":\t\"\"\r\n}", "", "a@b:d"),
        "{\r\n\t\"a\"\t:\r\n1\t,\r\n\t\"borg_remote_repo\":\t\"a@b:d\"\r\n}");
}

static void what_would_be_too_long_is_not_begun(void **state)
{
    const struct aio_target longer = place("/a/longer/one", ""), none = place("", "");
    const struct {
        const char *text;
        const struct aio_target *to;
    } rows[] = {{"{\n\"borg_backup_host_location\": \"/a\"\n}", &longer},
                {"{\"a\": 1}", &longer},
                {"{\"a\":[1,1,1,1,1]}", &none}}; /* laid out, it is longer */
    struct buf small;
    buf_init(&small, 40);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_reset(&small);
        memset(&e, 0, sizeof e);
        assert_false(config_file_edit(rows[i].text, strlen(rows[i].text), rows[i].to, &small, &e));
        assert_int_equal(e.code, ERR_UNAVAILABLE);
        assert_non_null(strstr(e.msg, "longer than 40 bytes"));
    }
    buf_done(&small);
}

/* It is refused, whatever it is that there is no memory for, or it is what was asked for. */
static void without_memory_nothing_is_changed_by_half(void **state)
{
    static const char text[] =
        "{\n \"borg\\u005fremote_repo\": \"a@b:c\",\n \"borg_backup_host_location\": \"\"\n}";
    char want[128];
    (void)snprintf(want, sizeof want, "%s", edit(text, "", "a@b:d"));
    json_use_wiped_memory();
    unsigned refused = 0;
    bool failed = true; /* an allocation */
    for (unsigned long n = 1; failed; n++) {
        struct buf into;
        struct aio_target t = place("", "a@b:d");
        memset(&e, 0, sizeof e);
        buf_init(&into, AIO_CONFIG_BYTES);
        (void)mem_fail_at(n);
        bool ok = config_file_edit(text, sizeof text - 1, &t, &into, &e);
        failed = mem_fail_at(0) >= n;
        refused += !ok;
        if (ok)
            assert_string_equal(buf_str(&into), want);
        else
            assert_int_not_equal(e.code, ERR_NONE);
        buf_done(&into);
    }
    assert_true(refused > 5);
}

static void a_text_without_lines_is_laid_out(void **state)
{
    const char *text = "{\"domain\":\"a,b:{}\",\"e\":{},\"f\":[ ],\"l\":[1,{\"x\":2}],"
                       "\"borg_remote_repo\":\"\"}\n";
    assert_string_equal(edit(text, "", "a@b:c"),
                        "{\n    \"domain\": \"a,b:{}\",\n    \"e\": {},\n    \"f\": [],\n"
                        "    \"l\": [\n        1,\n        {\n            \"x\": 2\n        }\n"
                        "    ],\n    \"borg_remote_repo\": \"a@b:c\"\n}");
}

static void what_is_no_configuration_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "null",
                                      "{\n\"borg_remote_repo\": 5\n}",
                                      "{\n\"borg_backup_host_location\": false\n}",
                                      "{\n\"borg_backup_host_location\": [\"\"]\n}",
                                      "{\n\"x\": 1,\n\"x\": 2\n}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(edit(bad[i], "/a", ""));
        assert_int_equal(e.code, ERR_UNAVAILABLE);
        assert_true(strlen(e.msg) > 0);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_the_values_change_and_every_other_byte_stays),
        CASE(jq_writes_two_blanks_and_a_line_at_the_end),
        CASE(what_is_absent_is_added_unless_it_is_to_be_empty),
        CASE(text_is_escaped_as_php_does),
        CASE(a_key_may_be_written_with_escapes),
        CASE(a_key_of_the_same_length_is_another),
        CASE(any_white_space_may_stand_between),
        CASE(what_would_be_too_long_is_not_begun),
        CASE(without_memory_nothing_is_changed_by_half),
        CASE(a_text_without_lines_is_laid_out),
        CASE(what_is_no_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
