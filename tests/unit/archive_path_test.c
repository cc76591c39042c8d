#include "api/query.h"
#include "backup/archives/archive_name.h"
#include "backup/archives/archive_path.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_path_is_as_borg_stores_it(void **state)
{
    static const struct {
        const char *given, *clean;
    } rows[] = {{"", ""},
                {"/", ""},
                {"//a///b/", "a/b"},
                {"./a/./b/.", "a/b"},
                {"..a/b../...", "..a/b../..."},
                {"-x", "-x"},
                {"a\nb", "a\nb"},
                {"\xff", "\xff"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        AUTO_FREE char *got = archive_path_clean(rows[i].given, "path", &e);
        assert_string_equal(got, rows[i].clean);
    }
}

static void what_leads_out_is_refused(void **state)
{
    static const char *const bad[] = {"..", "/..", "a/../b", "a/..", "../a"};
    static char much[ARCHIVE_PATH_MAX + 2];
    struct err e = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = (struct err){0};
        assert_null(archive_path_clean(bad[i], "path", &e));
        assert_string_equal(e.field, "path");
        assert_int_equal(e.code, ERR_BAD_REQUEST);
    }
    memset(much, 'a', sizeof much - 1);
    assert_null(archive_path_clean(much, "path", &e));
    (void)mem_fail_at(1);
    assert_null(archive_path_clean("a", "path", &e));
    (void)mem_fail_at(0);
    assert_int_equal(e.code, ERR_NO_MEMORY);
}

static void encoding_keeps_every_byte(void **state)
{
    char all[256];
    struct buf b;
    for (unsigned i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    buf_init(&b, 4096);
    archive_path_encode(&b, all);
    for (const char *s = buf_str(&b); *s; s++)
        assert_true(*s > ' ' && *s < 0x7F && !strchr("&#+?\"", *s));
    struct arena a;
    arena_init(&a, 4096);
    assert_string_equal(query_decode_bytes(&a, buf_str(&b), b.n, false, NULL), all);
    arena_done(&a);
    buf_done(&b);
}

static void a_walk_goes_into_a_folder_before_it_goes_on(void **state)
{
    static const char *const walk[] = {"a", "a/b", "a/b/c", "a/b-c", "a b", "a-b", "ab", "\xff"};
    for (size_t i = 0; i < sizeof walk / sizeof *walk; i++)
        for (size_t k = 0; k < sizeof walk / sizeof *walk; k++) {
            int c = archive_path_compare(walk[i], walk[k]);
            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
        }
}

static void a_glob_means_one_name_only(void **state)
{
    struct buf b;
    buf_init(&b, 256);
    archive_name_glob("a*b?[c]{now}", &b);
    assert_string_equal(buf_str(&b), "a[*]b[?][[]c]{{now}}");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_as_borg_stores_it),
        cmocka_unit_test(what_leads_out_is_refused),
        cmocka_unit_test(encoding_keeps_every_byte),
        cmocka_unit_test(a_walk_goes_into_a_folder_before_it_goes_on),
        cmocka_unit_test(a_glob_means_one_name_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
