#include "backup/archive_items.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct heard {
    char all[4096];
    int records;
};

static void on_record(void *arg, const char *record)
{
    struct heard *h = arg;
    h->records++;
    (void)strncat(h->all, record, sizeof h->all - strlen(h->all) - 2);
    (void)strncat(h->all, "|", 2);
}

static void records_come_whole_however_they_are_cut(void **state)
{
    static const char text[] = "one\0two\nlines\0\0four";
    for (size_t cut = 1; cut < sizeof text; cut++) {
        struct heard h = {"", 0};
        struct archive_items s;
        archive_items_init(&s, on_record, &h);
        for (size_t at = 0; at < sizeof text; at += cut)
            archive_items_feed(&s, text + at, sizeof text - at < cut ? sizeof text - at : cut);
        assert_string_equal(h.all, "one|two\nlines||four|");
        assert_true(archive_items_whole(&s));
        archive_items_feed(&s, "half", 4);
        assert_false(archive_items_whole(&s));
        archive_items_done(&s);
    }
}

static void a_record_without_end_is_given_up(void **state)
{
    static char long_one[LIMIT_ITEM + 2];
    struct heard h = {"", 0};
    struct archive_items s;
    memset(long_one, 'x', sizeof long_one - 1);
    archive_items_init(&s, on_record, &h);
    archive_items_feed(&s, long_one, sizeof long_one);
    assert_true(s.too_long);
    assert_false(archive_items_whole(&s));
    assert_int_equal(h.records, 0);
    archive_items_done(&s);
}

static void an_item_is_read(void **state)
{
    struct archive_item i;
    assert_true(archive_item_parse("-rw-r--r-- 42 2026-11-25T15:57:51.171510 a b\nc", &i));
    assert_int_equal(i.type, '-');
    assert_int_equal(i.size, 42);
    assert_int_equal(i.mtime_us, 1795622271171510);
    assert_string_equal(i.path, "a b\nc");
    assert_true(archive_item_parse("hrw------- 0 1970-01-01T00:00:00 x", &i));
    assert_int_equal(i.type, 'h');
    assert_int_equal(i.mtime_us, 0);
    assert_true(archive_item_parse("d 0 2026-11-25T15:57:51.000001+00:00 x", &i));
}

static void what_is_no_item_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "-",
                                      "- x 2026-11-25T15:57:51 p",
                                      "- -1 2026-11-25T15:57:51 p",
                                      "- 1 yesterday p",
                                      "- 1 2026-11-25T15:57:51",
                                      "- 1 2026-11-25T15:57:51 ",
                                      "- 99999999999999999999 2026-11-25T15:57:51 p",
                                      " 1 2026-11-25T15:57:51 p"};
    struct archive_item i;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (archive_item_parse(bad[k], &i))
            fail_msg("taken: %s", bad[k]);
}

static void a_hash_is_read(void **state)
{
    char hex[65], record[80];
    const char *path;
    memset(record, 'a', 64);
    memcpy(record + 64, " p q", 5);
    assert_true(archive_item_hash(record, hex, &path));
    assert_int_equal(strlen(hex), 64);
    assert_string_equal(path, "p q");
    record[3] = 'G';
    assert_false(archive_item_hash(record, hex, &path));
    assert_false(archive_item_hash(" p", hex, &path));
    assert_false(archive_item_hash("", hex, &path));
}

static void names_are_shown_as_borg_shows_them(void **state)
{
    AUTO_FREE char *a = archive_items_shown("bad\xff\xfe\xc3\xbc\xe2\x82");
    assert_string_equal(a, "bad??\xc3\xbc??");
}

static void patterns_select_one_file(void **state)
{
    AUTO_FREE char *plain = archive_items_pattern("-rf *[x]");
    AUTO_FREE char *guess = archive_items_pattern("a.b?(\xc3\xbc\n");
    assert_string_equal(plain, "pp:-rf *[x]");
    assert_string_equal(guess, "re:\\Aa\\.b.\\(\xc3\xbc\\\n\\Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_whole_however_they_are_cut),
        cmocka_unit_test(a_record_without_end_is_given_up),
        cmocka_unit_test(an_item_is_read),
        cmocka_unit_test(what_is_no_item_is_refused),
        cmocka_unit_test(a_hash_is_read),
        cmocka_unit_test(names_are_shown_as_borg_shows_them),
        cmocka_unit_test(patterns_select_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
