#include "backup/run/borgmatic.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct borgmatic_tools tools_of(int major, int minor, int patch)
{
    return (struct borgmatic_tools){.borgmatic = "/usr/bin/borgmatic",
                                    .borg = "/usr/bin/borg",
                                    .borgmatic_version = {major, minor, patch}};
}

/* The whole command line as one text, or the error as "CODE: message". */
static const char *line_of(struct borgmatic_tools t, enum borgmatic_verb verb,
                           struct borgmatic_options o)
{
    static char text[4096];
    struct arena a;
    struct err e = {0};
    arena_init(&a, 64 * 1024);
    const char *const *argv = borgmatic_argv(&a, &t, verb, "/etc/borgmatic.d/a.yaml", &o, &e);
    size_t n = 0;
    text[0] = '\0';
    if (!argv)
        (void)snprintf(text, sizeof text, "%s: %s", err_word(e.code), e.msg);
    for (size_t i = 0; argv && argv[i]; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? " " : "", argv[i]);
    arena_done(&a);
    return text;
}

#define UNSET .verbosity = BORGMATIC_VERBOSITY_UNSET

static void versions_are_read_from_what_the_programs_print(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        struct borgmatic_version v;
    } rows[] = {
        {"1.7.7\n", true, {1, 7, 7}},
        {"1.9.14\n", true, {1, 9, 14}},
        {"borg 1.2.4\n", true, {1, 2, 4}},
        {"2.0.0b14\n", true, {2, 0, 0}},
        {"borg 1.4", true, {1, 4, 0}},
        {"1.9.14.dev0", true, {1, 9, 14}},
        {"", false, {0, 0, 0}},
        {"borg\n", false, {0, 0, 0}},
        {"borg 2\n", false, {0, 0, 0}},
        {"\n1.9.14", false, {0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct borgmatic_version v = {0};
        assert_int_equal(borgmatic_version_parse(rows[i].text, &v), rows[i].ok);
        assert_int_equal(
            borgmatic_version_cmp(v, rows[i].v.major, rows[i].v.minor, rows[i].v.patch), 0);
    }
    struct borgmatic_version v = {1, 9, 14};
    assert_true(borgmatic_version_cmp(v, 1, 9, 2) > 0);
    assert_true(borgmatic_version_cmp(v, 1, 10, 0) < 0);
    assert_true(borgmatic_version_cmp(v, 2, 0, 0) < 0);
    assert_true(borgmatic_version_cmp(v, 1, 8, 99) > 0);
}

static void the_action_stands_first_then_one_config_then_flags(void **state)
{
    assert_string_equal(
        line_of(tools_of(1, 7, 7), BORGMATIC_CREATE,
                (struct borgmatic_options){.verbosity = 1, .stats = true, .list = true}),
        "/usr/bin/borgmatic create -c /etc/borgmatic.d/a.yaml --log-file=/dev/null --verbosity=1 "
        "--stats --list");
    assert_string_equal(
        line_of(tools_of(1, 9, 14), BORGMATIC_CREATE_DRY_RUN,
                (struct borgmatic_options){.verbosity = -1}),
        "/usr/bin/borgmatic create -c /etc/borgmatic.d/a.yaml --dry-run --verbosity=-1");
    assert_string_equal(line_of(tools_of(2, 1, 7), BORGMATIC_CREATE,
                                (struct borgmatic_options){UNSET, .comment = "before upgrade"}),
                        "/usr/bin/borgmatic create -c /etc/borgmatic.d/a.yaml "
                        "--comment=before upgrade");
}

static void each_version_is_spoken_to_in_its_own_words(void **state)
{
    assert_non_null(strstr(
        line_of(tools_of(1, 7, 7), BORGMATIC_LIST_REPOSITORY, (struct borgmatic_options){UNSET}),
        " rlist -c "));
    assert_non_null(strstr(
        line_of(tools_of(1, 9, 0), BORGMATIC_LIST_REPOSITORY, (struct borgmatic_options){UNSET}),
        " repo-list -c "));
    assert_non_null(
        strstr(line_of(tools_of(1, 8, 2), BORGMATIC_CREATE, (struct borgmatic_options){UNSET}),
               " --log-file=/dev/null"));
    assert_null(
        strstr(line_of(tools_of(1, 8, 3), BORGMATIC_CREATE, (struct borgmatic_options){UNSET}),
               "--log-file"));
    assert_non_null(strstr(
        line_of(tools_of(1, 7, 13), BORGMATIC_CREATE, (struct borgmatic_options){.verbosity = -2}),
        " --verbosity=-1"));
    assert_non_null(strstr(
        line_of(tools_of(1, 7, 14), BORGMATIC_CREATE, (struct borgmatic_options){.verbosity = -2}),
        " --verbosity=-2"));
}

static void overrides_name_the_section_where_the_file_has_one(void **state)
{
    static const char *const overrides[] = {"storage.lock_wait=5", NULL};
    struct borgmatic_options o = {UNSET, .overrides = overrides, .local_path = "/run/x/bin/borg"};
    assert_non_null(strstr(line_of(tools_of(1, 7, 7), BORGMATIC_CREATE, o),
                           " --override=storage.lock_wait=5 "
                           "--override=location.local_path=/run/x/bin/borg"));
    assert_non_null(strstr(line_of(tools_of(1, 8, 9), BORGMATIC_CREATE, o),
                           " --override=lock_wait=5 --override=local_path=/run/x/bin/borg"));
    o.sectioned = true;
    assert_non_null(strstr(line_of(tools_of(2, 1, 7), BORGMATIC_CREATE, o),
                           " --override=location.local_path=/run/x/bin/borg"));
    o.local_path = "/run/a b/borg";
    assert_non_null(strstr(line_of(tools_of(2, 1, 7), BORGMATIC_CREATE, o), "unavailable: "));
}

static void one_repository_is_chosen_by_flag_or_before_1_7_9_by_override(void **state)
{
    struct borgmatic_options o = {UNSET, .repository = "/srv/re\"po"};
    assert_non_null(
        strstr(line_of(tools_of(1, 7, 9), BORGMATIC_CREATE, o), " --repository=/srv/re\"po"));
    assert_non_null(strstr(line_of(tools_of(1, 7, 7), BORGMATIC_CREATE, o),
                           " --override=location.repositories=[\"/srv/re\\\"po\"]"));
}

static void what_a_version_lacks_is_unsupported_and_never_guessed(void **state)
{
    assert_string_equal(line_of(tools_of(1, 9, 14), BORGMATIC_CREATE,
                                (struct borgmatic_options){UNSET, .comment = "x"}),
                        "unsupported_by_borgmatic: borgmatic 1.9.14 has no comment; it came with "
                        "2.0.0");
    assert_non_null(
        strstr(line_of(tools_of(1, 7, 6), BORGMATIC_CREATE, (struct borgmatic_options){UNSET}),
               "unsupported_by_borgmatic: "));
    struct borgmatic_tools none = tools_of(1, 9, 14);
    none.borgmatic[0] = '\0';
    assert_non_null(strstr(line_of(none, BORGMATIC_CREATE, (struct borgmatic_options){UNSET}),
                           "unavailable: "));
}

static void values_that_borgmatic_would_take_for_something_else_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "-x", "--rsh=/tmp/evil", "prune", "borg", "check", "repo-list", "a\nb", "a\x7f", "key"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct borgmatic_options o = {UNSET, .comment = bad[i]};
        assert_non_null(strstr(line_of(tools_of(2, 1, 7), BORGMATIC_CREATE, o), "bad_request: "));
        o = (struct borgmatic_options){UNSET, .repository = bad[i]};
        assert_non_null(strstr(line_of(tools_of(1, 9, 14), BORGMATIC_CREATE, o), "bad_request: "));
        assert_non_null(strstr(line_of(tools_of(1, 7, 7), BORGMATIC_CREATE, o), "bad_request: "));
    }
    assert_non_null(strstr(
        line_of(tools_of(1, 9, 14), BORGMATIC_CREATE, (struct borgmatic_options){.verbosity = 3}),
        "bad_request: "));
    assert_non_null(strstr(line_of(tools_of(1, 9, 14), BORGMATIC_LIST_REPOSITORY,
                                   (struct borgmatic_options){UNSET, .stats = true}),
                           "bad_request: "));
}

static void upkeep_has_its_own_words_and_flags(void **state)
{
    static const struct {
        int v[3];
        enum borgmatic_verb verb;
        struct borgmatic_options o;
        const char *line; /* behind "/usr/bin/borgmatic " */
    } rows[] = {
        {{1, 9, 14}, BORGMATIC_CHECK, {UNSET}, "check -c /etc/borgmatic.d/a.yaml"},
        {{1, 9, 14},
         BORGMATIC_CHECK,
         {UNSET, .repair = true, .force = true, .only = "extract"},
         "check -c /etc/borgmatic.d/a.yaml --repair --force --only=extract"},
        {{1, 7, 7},
         BORGMATIC_CHECK,
         {UNSET, .only = "extract", .force = true},
         "check -c /etc/borgmatic.d/a.yaml --log-file=/dev/null --force --only extract"},
        {{1, 8, 15},
         BORGMATIC_CHECK,
         {UNSET, .only = "spot", .max_duration = 60},
         "check -c /etc/borgmatic.d/a.yaml --max-duration=60 --only=spot"},
        {{1, 9, 14},
         BORGMATIC_PRUNE,
         {UNSET, .stats = true, .list = true, .repository = "/srv/repo"},
         "prune -c /etc/borgmatic.d/a.yaml --repository=/srv/repo --stats --list"},
        {{1, 7, 7},
         BORGMATIC_PRUNE_DRY_RUN,
         {UNSET, .repository = "/srv/repo"},
         "prune -c /etc/borgmatic.d/a.yaml --dry-run --log-file=/dev/null "
         "--override=location.repositories=[\"/srv/repo\"]"},
        {{2, 1, 7},
         BORGMATIC_COMPACT,
         {UNSET, .progress = true, .threshold = 5},
         "compact -c /etc/borgmatic.d/a.yaml --progress --threshold=5"},
        {{1, 7, 7},
         BORGMATIC_REPO_CREATE,
         {UNSET, .encryption = "repokey"},
         "rcreate -c /etc/borgmatic.d/a.yaml --log-file=/dev/null --encryption=repokey"},
        {{1, 9, 0},
         BORGMATIC_REPO_CREATE,
         {UNSET, .encryption = "none", .append_only = true, .storage_quota = "5G",
          .make_parent_dirs = true},
         "repo-create -c /etc/borgmatic.d/a.yaml --encryption=none --append-only "
         "--storage-quota=5G --make-parent-dirs"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(
            line_of(tools_of(rows[i].v[0], rows[i].v[1], rows[i].v[2]), rows[i].verb, rows[i].o) +
                strlen("/usr/bin/borgmatic "),
            rows[i].line);
}

static void a_part_of_a_check_is_one_of_those_the_version_knows(void **state)
{
    assert_non_null(strstr(line_of(tools_of(1, 9, 14), BORGMATIC_CHECK,
                                   (struct borgmatic_options){UNSET, .only = "prune"}),
                           "bad_request: "));
    assert_non_null(strstr(line_of(tools_of(1, 9, 14), BORGMATIC_PRUNE,
                                   (struct borgmatic_options){UNSET, .only = "data"}),
                           "bad_request: "));
    assert_non_null(strstr(line_of(tools_of(1, 7, 7), BORGMATIC_CHECK,
                                   (struct borgmatic_options){UNSET, .only = "spot"}),
                           "unsupported_by_borgmatic: "));
    assert_non_null(strstr(line_of(tools_of(1, 7, 7), BORGMATIC_CHECK,
                                   (struct borgmatic_options){UNSET, .max_duration = 1}),
                           "unsupported_by_borgmatic: "));
    assert_non_null(strstr(line_of(tools_of(1, 9, 14), BORGMATIC_CREATE,
                                   (struct borgmatic_options){UNSET, .repair = true}),
                           "bad_request: "));
}

static void failed_memory_is_said(void **state)
{
    struct borgmatic_tools t = tools_of(1, 9, 14);
    struct borgmatic_options o = {.verbosity = 1};
    struct arena a;
    struct err e = {0};
    arena_init(&a, 64 * 1024);
    (void)mem_fail_at(1);
    assert_null(borgmatic_argv(&a, &t, BORGMATIC_CREATE, "/a.yaml", &o, &e));
    (void)mem_fail_at(0);
    assert_int_equal(e.code, ERR_NO_MEMORY);
    arena_done(&a);
}

/* ---- the probe ---- */

static char dir[64];

static void write_program(const char *name, const char *script)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(script, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static int make_dir(void **state)
{
    (void)snprintf(dir, sizeof dir, "/tmp/borgmatic_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"borg", "borgmatic"};
    char path[128];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static void on_tools(void *arg, const struct borgmatic_tools *t)
{
    *(struct borgmatic_tools *)arg = *t;
}

static struct borgmatic_tools probe(void)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    struct borgmatic_tools t = {.borgmatic = "?"};
    struct err e = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(borgmatic_probe(&loop, dir, env, on_tools, &t, &e));
    assert_string_equal(t.borgmatic, "?"); /* not from inside */
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    return t;
}

static void the_probe_finds_both_programs_and_their_versions(void **state)
{
    write_program("borgmatic", "#!/bin/sh\necho 1.9.14\n");
    write_program("borg", "#!/bin/sh\necho noise >&2\necho borg 1.4.0\n");
    struct borgmatic_tools t = probe();
    assert_string_equal(t.problem, "");
    assert_int_equal(borgmatic_version_cmp(t.borgmatic_version, 1, 9, 14), 0);
    assert_int_equal(borgmatic_version_cmp(t.borg_version, 1, 4, 0), 0);
    assert_int_equal(strncmp(t.borg, dir, strlen(dir)), 0);
}

static void the_probe_says_what_is_wrong_with_a_program(void **state)
{
    struct borgmatic_tools t = probe();
    assert_string_equal(t.problem, "borgmatic is not installed: not found in PATH");
    write_program("borgmatic", "#!/bin/sh\necho 1.9.14\n");
    assert_string_equal(probe().problem, "borg is not installed: not found in PATH");
    write_program("borg", "#!/bin/sh\nexit 3\n");
    assert_string_equal(probe().problem, "borg --version ended with code 3");
    write_program("borg", "#!/bin/sh\necho hello\n");
    assert_string_equal(probe().problem, "borg --version did not print a version");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_read_from_what_the_programs_print),
        cmocka_unit_test(the_action_stands_first_then_one_config_then_flags),
        cmocka_unit_test(each_version_is_spoken_to_in_its_own_words),
        cmocka_unit_test(overrides_name_the_section_where_the_file_has_one),
        cmocka_unit_test(one_repository_is_chosen_by_flag_or_before_1_7_9_by_override),
        cmocka_unit_test(what_a_version_lacks_is_unsupported_and_never_guessed),
        cmocka_unit_test(values_that_borgmatic_would_take_for_something_else_are_refused),
        cmocka_unit_test(upkeep_has_its_own_words_and_flags),
        cmocka_unit_test(a_part_of_a_check_is_one_of_those_the_version_knows),
        cmocka_unit_test(failed_memory_is_said),
        cmocka_unit_test_setup_teardown(the_probe_finds_both_programs_and_their_versions, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(the_probe_says_what_is_wrong_with_a_program, make_dir,
                                        remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
