#include "backup/restore/drill_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void draw(struct drill_sample *s, size_t max, int64_t bytes, uint64_t seed, int files)
{
    assert_true(drill_sample_init(s, max, bytes, seed));
    for (int i = 0; i < files; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "f%d", i);
        const struct entry item = {.type = '-', .size = 10, .path = path};
        drill_sample_add(s, &item);
    }
    drill_sample_fit(s);
}

static void the_seed_decides_what_is_drawn(void **state)
{
    struct drill_sample a, b, c;
    draw(&a, 5, 1000, 7, 100);
    draw(&b, 5, 1000, 7, 100);
    draw(&c, 5, 1000, 8, 100);
    bool same = true;
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(a.files[i].path, b.files[i].path);
        same = same && strcmp(a.files[i].path, c.files[i].path) == 0;
    }
    assert_false(same);
    assert_int_equal(a.seen, 100);
    drill_sample_done(&a);
    drill_sample_done(&b);
    drill_sample_done(&c);
}

static void every_file_has_its_chance(void **state)
{
    int drawn[20] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct drill_sample s;
        draw(&s, 4, 1000, seed, 20);
        assert_int_equal(s.count, 4);
        for (size_t i = 0; i < s.count; i++)
            drawn[strtol(s.files[i].path + 1, NULL, 10)]++;
        drill_sample_done(&s);
    }
    for (int i = 0; i < 20; i++) /* 400 expected, deviation 18 */
        assert_in_range(drawn[i], 300, 500);
}

static void bytes_and_kinds_are_bounded(void **state)
{
    struct drill_sample s;
    draw(&s, 50, 95, 1, 30);
    assert_int_equal(s.count, 9);
    assert_int_equal(s.bytes, 90);
    drill_sample_done(&s);
    assert_true(drill_sample_init(&s, 5, 9, 1));
    drill_sample_add(&s, &(struct entry){.type = '-', .size = 10, .path = "large"});
    drill_sample_add(&s, &(struct entry){.type = 'd', .path = "folder"});
    drill_sample_add(&s, &(struct entry){.type = '-', .hard_link = true, .path = "further name"});
    assert_int_equal(s.count, 0);
    drill_sample_done(&s);
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

/* sha256sum of "one", "two" and of nothing. */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define TWO "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"

static void hashed(struct drill_sample *s, const char *path, const char *sha256, int64_t size)
{
    struct entry e = {.type = '-', .size = size, .path = path};
    (void)snprintf(e.sha256, sizeof e.sha256, "%s", sha256);
    drill_sample_hash(s, &e);
}

static void files_are_compared_by_all_bytes_of_their_names(void **state)
{
    char folder[] = "/tmp/drill.XXXXXX";
    struct drill_sample s;
    atomic_bool stop = false;
    assert_non_null(mkdtemp(folder));
    assert_true(drill_sample_init(&s, 8, 1000, 1));
    static const char *const names[] = {"equal", "differs", "missing", "b\xff",
                                        "b\xfe", "twice",   "twice"};
    for (size_t i = 0; i < 7; i++)
        drill_sample_add(&s,
                         &(struct entry){.type = '-', .size = i == 5 ? 7 : 3, .path = names[i]});
    hashed(&s, "equal", ONE, 3);
    hashed(&s, "differs", ONE, 3);
    hashed(&s, "missing", ONE, 3);
    hashed(&s, "b\xff", TWO, 3);
    hashed(&s, "b\xfe", ONE, 3);
    hashed(&s, "twice", ONE, 7);
    hashed(&s, "twice", TWO, 3);
    hashed(&s, "twice", "", 0); /* a further name of it: no contents of its own */
    put(folder, "equal", "one");
    put(folder, "differs", "two");
    put(folder, "b\xff", "two");
    put(folder, "b\xfe", "one");
    put(folder, "twice", "two");
    put(folder, "b?", "not asked for");
    drill_check(&s, folder, false, &stop);
    static const enum drill_outcome wanted[] = {DRILL_EQUAL, DRILL_DIFFERS, DRILL_MISSING,
                                                DRILL_EQUAL, DRILL_EQUAL,   DRILL_EQUAL,
                                                DRILL_EQUAL};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(s.files[i].outcome, wanted[i]);
    drill_sample_done(&s);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a fixed command of a test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_decides_what_is_drawn),
        cmocka_unit_test(every_file_has_its_chance),
        cmocka_unit_test(bytes_and_kinds_are_bounded),
        cmocka_unit_test(files_are_compared_by_all_bytes_of_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
