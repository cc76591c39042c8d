#include "backup/archives/entry.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "- -rw-r--r-- 0 5 12 2026-11-25T15:49:44.315521 'root' 'adm' '' "

static bool parse(const char *text, struct entry *e)
{
    static char line[4096];
    (void)snprintf(line, sizeof line, "%s", text);
    return entry_parse(line, e);
}

static void a_line_is_an_entry(void **state)
{
    struct entry e;
    assert_true(parse(HEAD "'src/a b'", &e));
    assert_int_equal(e.type, '-');
    assert_int_equal(e.mode, 0644);
    assert_int_equal(e.uid, 0);
    assert_int_equal(e.gid, 5);
    assert_int_equal(e.size, 12);
    assert_string_equal(e.mtime, "2026-11-25T15:49:44.315521Z");
    assert_string_equal(e.user, "root");
    assert_string_equal(e.group, "adm");
    assert_string_equal(e.target, "");
    assert_string_equal(e.path, "src/a b");
    assert_false(e.hard_link);
}

static void kinds_and_modes(void **state)
{
    struct entry e;
    assert_true(parse("d drwsrwSrwt 1 2 0 2026-11-25T15:49:44 1 2 '' 'd'", &e));
    assert_int_equal(e.mode, 07767);
    assert_string_equal(e.mtime, "2026-11-25T15:49:44Z");
    assert_string_equal(e.user, "");
    assert_true(
        parse("- hrw------- 1 2 0 2026-11-25T15:49:44.000001+00:00 'u' 'g' 'other' 'd'", &e));
    assert_true(e.hard_link);
    assert_int_equal(e.mode, 0600);
    assert_string_equal(e.mtime, "2026-11-25T15:49:44.000001Z");
    assert_string_equal(e.target, "other");
    assert_true(parse("l lrwxrwxrwx -1 2 1 2026-11-25T15:49:44 'u' 'g' '../x' 'd'", &e));
    assert_int_equal(e.uid, -1);
    assert_string_equal(entry_type_word('l'), "symlink");
    assert_string_equal(entry_type_word('?'), "other");
}

#define NOUGHTS "0000000000000000000000000000000000000000000000000000000000000000"

static void a_hash_may_stand_in_front(void **state)
{
    struct entry e;
    assert_true(parse(NOUGHTS " " HEAD "'a'", &e));
    assert_string_equal(e.sha256, NOUGHTS);
    assert_string_equal(e.path, "a");
    assert_true(parse(" " HEAD "'a'", &e));
    assert_string_equal(e.sha256, "");
    assert_false(parse("00 " HEAD "'a'", &e));
    assert_false(parse(NOUGHTS HEAD "'a'", &e));
    assert_false(parse(NOUGHTS, &e));
    assert_false(parse(" ", &e));
}

static void the_time_is_known_to_the_microsecond(void **state)
{
    struct entry e = {.mtime = "2026-11-25T15:57:51.171510Z"};
    assert_int_equal(entry_mtime_us(&e), 1795622271171510);
    e = (struct entry){.mtime = "1970-01-01T00:00:01Z"};
    assert_int_equal(entry_mtime_us(&e), 1000000);
    e = (struct entry){.mtime = "1970-01-01T00:00:00.5Z"};
    assert_int_equal(entry_mtime_us(&e), 500000);
    e = (struct entry){.mtime = "2026-99-25T15:57:51Z"};
    assert_int_equal(entry_mtime_us(&e), -1);
}

static void every_byte_of_a_name_comes_back(void **state)
{
    struct entry e;
    assert_true(parse(HEAD "'a\\n\\r\\t\\\\\\'\"\\x01\\x7f'", &e));
    assert_string_equal(e.path, "a\n\r\t\\'\"\x01\x7f");
    assert_true(parse(HEAD "\"it's\"", &e));
    assert_string_equal(e.path, "it's");
    assert_true(parse(HEAD "'bad\\udcffname\\udc80'", &e));
    assert_string_equal(e.path, "bad\xffname\x80");
    assert_true(parse(HEAD "'\\xe9\\u20ac\\U0001f600'", &e));
    assert_string_equal(e.path, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void json_text_is_read_as_well(void **state)
{
    static const char from[] = "\"\\ud83d\\ude00\\/\\b\\udcff\\ud83d\\udcff\"rest";
    char line[64];
    memcpy(line, from, sizeof from);
    assert_null(entry_unquote(strcpy(line, "\"\\ud83d\"")));
    memcpy(line, from, sizeof from);
    char *end = entry_unquote(line);
    assert_string_equal(end, "rest");
    assert_string_equal(line + 1, "\xf0\x9f\x98\x80/\b\xff\xf0\x9f\x93\xbf");
    assert_null(entry_unquote(strcpy(line, "no quote")));
}

static void anything_else_is_no_entry(void **state)
{
    static const char *const bad[] = {
        "",
        "-",
        "- ",
        "- -rw-r--r--",
        HEAD,
        HEAD "''",
        HEAD "'a",
        HEAD "'a' ",
        HEAD "'a'b",
        HEAD "a",
        HEAD "'\\",
        HEAD "'\\x4",
        HEAD "'\\xZZ'",
        HEAD "'\\x00'",
        HEAD "'\\ud800'",
        HEAD "'\\udc7f'",
        HEAD "'\\U00110000'",
        HEAD "'\\q'",
        HEAD "'\\ud83d\\u0041'",
        HEAD "'\xc3\xa9'",
        "- -rw-r--r- 0 5 12 2026-11-25T15:49:44 'r' 'a' '' 'p'",
        "- -rz-r--r-- 0 5 12 2026-11-25T15:49:44 'r' 'a' '' 'p'",
        "- -rw-r--r-- x 5 12 2026-11-25T15:49:44 'r' 'a' '' 'p'",
        "- -rw-r--r-- 0 5 1234567890123456789 2026-11-25T15:49:44 'r' 'a' '' 'p'",
        "- -rw-r--r-- 0 5 12 2026-11-25 15:49:44 'r' 'a' '' 'p'",
        "- -rw-r--r-- 0 5 12 2026-11-25T15:49 'r' 'a' '' 'p'",
        "- -rw-r--r-- 0 5 12 2026-11-25T15:49:44.12345678901234567890 'r' 'a' '' 'p'",
        "- -rw-r--r-- 0 5 12 2026-11-25T15:49:44 None 'a' '' 'p'",
        "- -rw-r--r-- 0 5 12 2026-11-25T15:49:44 'r' 'a' 'p'",
    };
    struct entry e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], &e))
            fail_msg("taken for an entry: %s", bad[i]);
}

static void count(void *arg, const struct entry *e)
{
    *(size_t *)arg += strlen(e->path);
}

static void lines_come_in_any_pieces(void **state)
{
    static const char text[] = HEAD "'one'\n" HEAD "'two'\n";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        size_t seen = 0;
        struct entry_lines l;
        entry_lines_init(&l, count, &seen);
        for (size_t i = 0; i < sizeof text - 1; i += piece)
            entry_lines_feed(&l, text + i,
                             sizeof text - 1 - i < piece ? sizeof text - 1 - i : piece);
        assert_int_equal(seen, 6);
        assert_true(entry_lines_sound(&l));
        entry_lines_feed(&l, "rest", 4);
        assert_false(entry_lines_sound(&l));
        entry_lines_done(&l);
    }
}

static void what_is_no_line_is_counted_and_the_next_is_read(void **state)
{
    size_t seen = 0;
    struct entry_lines l;
    entry_lines_init(&l, count, &seen);
    entry_lines_feed(&l, "nonsense\n\n" HEAD "'a\0b'\n", sizeof HEAD + 16);
    assert_int_equal(l.bad, 3);
    char *much = malloc(LIMIT_ENTRY_LINE);
    memset(much, 'x', LIMIT_ENTRY_LINE);
    entry_lines_feed(&l, much, LIMIT_ENTRY_LINE);
    entry_lines_feed(&l, much, LIMIT_ENTRY_LINE);
    free(much);
    assert_false(entry_lines_sound(&l));
    entry_lines_feed(&l, "\n" HEAD "'ok'\n", sizeof HEAD + 5);
    assert_int_equal(l.bad, 4);
    assert_int_equal(seen, 2);
    entry_lines_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_an_entry),
        cmocka_unit_test(kinds_and_modes),
        cmocka_unit_test(a_hash_may_stand_in_front),
        cmocka_unit_test(the_time_is_known_to_the_microsecond),
        cmocka_unit_test(every_byte_of_a_name_comes_back),
        cmocka_unit_test(json_text_is_read_as_well),
        cmocka_unit_test(anything_else_is_no_entry),
        cmocka_unit_test(lines_come_in_any_pieces),
        cmocka_unit_test(what_is_no_line_is_counted_and_the_next_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
