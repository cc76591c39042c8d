#include "backup/archives/tree.h"

#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static void add(struct tree *t, char type, const char *path)
{
    const struct entry e = {.type = type,
                            .mode = 0644,
                            .mtime = "2026-11-25T15:49:44Z",
                            .user = "",
                            .group = "",
                            .target = "",
                            .path = path};
    tree_add(t, &e);
}

static const char *const archive[] = {
    "home/u/b-file", "home/u/a/deep/file", "home/u/a/x", "home/u/b/z",
    "home/u/a-file", "home/ux/other",      "etc"};

static struct tree *grown(const char *path, const char *after, unsigned depth, size_t limit)
{
    const struct tree_page page = {path, after, depth, limit};
    struct tree *t = tree_new(&page);
    for (size_t i = 0; i < sizeof archive / sizeof *archive; i++)
        add(t, '-', archive[i]);
    return t;
}

/* Writes the paths, separated by blanks; the cursor behind a '|'. */
static const char *shown(struct tree *t)
{
    static char out[4096];
    struct buf b;
    struct jsonw w;
    size_t i;
    json_t *one;
    buf_init(&b, LIMIT_REPLY);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    tree_write(t, &w);
    jsonw_end_object(&w);
    json_t *o = json_loads(buf_str(&b), 0, NULL);
    assert_non_null(o);
    out[0] = '\0';
    json_array_foreach(json_object_get(o, "entries"), i, one)
    {
        strcat(out, json_string_value(json_object_get(one, "path")));
        strcat(out, json_is_true(json_object_get(one, "implied")) ? "/ " : " ");
    }
    const char *cursor = json_string_value(json_object_get(o, "cursor"));
    strcat(strcat(out, "|"), cursor ? cursor : "");
    json_decref(o);
    buf_done(&b);
    tree_free(t);
    return out;
}

static void a_folder_shows_what_is_in_it(void **state)
{
    assert_string_equal(shown(grown("home/u", NULL, 1, 10)),
                        "home/u/a/ home/u/a-file home/u/b/ home/u/b-file |");
    assert_string_equal(shown(grown("", NULL, 1, 10)), "etc home/ |");
    assert_string_equal(shown(grown("", NULL, 2, 10)), "etc home/ home/u/ home/ux/ |");
    assert_string_equal(shown(grown("home/u/a", NULL, 9, 10)),
                        "home/u/a/deep/ home/u/a/deep/file home/u/a/x |");
    assert_string_equal(shown(grown("etc", NULL, 1, 10)), "|");
}

static void pages_follow_each_other(void **state)
{
    assert_string_equal(shown(grown("home/u", NULL, 2, 3)),
                        "home/u/a/ home/u/a/deep/ home/u/a/x |home/u/a/x");
    assert_string_equal(shown(grown("home/u", "home/u/a/x", 2, 3)),
                        "home/u/a-file home/u/b/ home/u/b/z |home/u/b/z");
    assert_string_equal(shown(grown("home/u", "home/u/b/z", 2, 3)), "home/u/b-file |");
}

static void what_is_there_is_found(void **state)
{
    static const struct {
        const char *path;
        bool found;
    } rows[] = {{"", true},         {"home", true}, {"home/u", true}, {"home/u/a/x", true},
                {"home/u/", false}, {"hom", false}, {"etc/x", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tree *t = grown(rows[i].path, NULL, 1, 1);
        assert_int_equal(tree_found(t), rows[i].found);
        tree_free(t);
    }
}

static void an_entry_of_its_own_replaces_the_implied_one_and_the_later_counts(void **state)
{
    struct tree *t = grown("home/u", NULL, 1, 10);
    add(t, 'd', "home/u/a");
    add(t, 'd', "home/u/a");
    assert_int_equal(tree_count(t), 4);
    assert_string_equal(shown(t), "home/u/a home/u/a-file home/u/b/ home/u/b-file |");
}

static void names_that_are_no_text_are_marked(void **state)
{
    const struct tree_page page = {"", NULL, 1, 1};
    struct tree *t = tree_new(&page);
    struct buf b;
    struct jsonw w;
    add(t, '-', "bad\xff/x y");
    add(t, '-', "bad\xffname?");
    buf_init(&b, LIMIT_REPLY);
    jsonw_init(&w, &b);
    tree_write(t, &w);
    assert_non_null(strstr(buf_str(&b), "\"lossy\":true,\"path_encoded\":\"bad%FF\""));
    assert_non_null(strstr(buf_str(&b), "\"cursor\":\"bad%FF\""));
    buf_done(&b);
    tree_free(t);
}

static void names_together_are_bounded(void **state)
{
    const struct tree_page page = {"", NULL, 1, TREE_ENTRIES};
    struct tree *t = tree_new(&page);
    char name[4000];
    memset(name, 'n', sizeof name);
    for (unsigned i = 0; i < TREE_ENTRIES; i++) {
        (void)snprintf(name, sizeof name, "%08u", (i * 7) % TREE_ENTRIES);
        name[8] = 'n';
        name[sizeof name - 1] = '\0';
        add(t, '-', name);
    }
    assert_true(tree_count(t) > 100);
    assert_true(tree_count(t) * sizeof name < TREE_BYTES + 10 * sizeof name);
    tree_free(t);
}

static void memory_that_is_gone_is_told(void **state)
{
    const struct tree_page page = {"p", "a", 1, 4};
    for (unsigned long n = 1; n <= 4; n++) {
        (void)mem_fail_at(n);
        assert_null(tree_new(&page));
    }
    (void)mem_fail_at(0);
    struct tree *t = tree_new(&page);
    (void)mem_fail_at(1);
    add(t, '-', "p/x");
    (void)mem_fail_at(0);
    assert_true(tree_failed(t));
    tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_shows_what_is_in_it),
        cmocka_unit_test(pages_follow_each_other),
        cmocka_unit_test(what_is_there_is_found),
        cmocka_unit_test(an_entry_of_its_own_replaces_the_implied_one_and_the_later_counts),
        cmocka_unit_test(names_that_are_no_text_are_marked),
        cmocka_unit_test(names_together_are_bounded),
        cmocka_unit_test(memory_that_is_gone_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
