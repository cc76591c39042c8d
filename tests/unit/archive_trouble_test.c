/* archive_read against a borg that misbehaves, and what that borg is given. */
#include "archive_kit.h"

#include "backup/run/borg_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void with_script(struct fixture *f, struct archive_read_spec *spec, char *path, size_t size,
                        const char *script)
{
    *spec = spec_of(f);
    (void)snprintf(path, size, "%s/fake", f->dir);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_true(fprintf(out, "#!/bin/sh\n%s\n", script) > 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0755), 0);
    spec->borg = path;
}

static void no_secret_reaches_argv_or_environment(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec;
    char path[128];
    with_script(f, &spec, path, sizeof path,
                "[ \"$BORG_PASSPHRASE_FD\" = 3 ] || exit 9; { env; echo \"$@\"; } | grep -q "
                "'correct horse' && exit 8; [ \"$(cat <&3)\" = 'correct horse \"battery\" staple' "
                "] || exit 7; [ $TZ = UTC ] || exit 6; case \"$*\" in '--log-json info --json "
                "--last 1 --umask 0077 --lock-wait 5 '*) ;; *) exit 5;; esac; "
                "echo '{\"archives\": []}'");
    ask(f, &spec);
    assert_string_equal(f->e.msg, "");
    assert_int_equal(json_array_size(f->found), 0);
}

static void answers_that_are_none_are_failures(void **state)
{
    static const char *const scripts[] = {
        "exit 0",
        "echo hello",
        "echo '{\"archives\": 3}'",
        "echo '[]'",
        "echo '{\"archives\": []}'; exit 2",
        "echo '{\"archives\": []}'; kill -9 $$",
        "echo broken >&2; head -c 100000 /dev/zero | tr '\\0' x >&2; exit 2",
        "head -c 5000000 /dev/zero | tr '\\0' ' '; echo '{\"archives\": []}'",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct archive_read_spec spec;
        char path[128];
        (void)archive_fresh(state);
        with_script(f, &spec, path, sizeof path, scripts[i]);
        ask(f, &spec);
        assert_int_equal(f->e.code, ERR_COMMAND_FAILED);
        assert_true(f->e.msg[0] != '\0');
    }
}

static void warnings_do_not_hide_the_answer(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec;
    char path[128];
    with_script(f, &spec, path, sizeof path, "echo '{\"archives\": [{\"name\": \"a\"}]}'; exit 1");
    spec.archive = "a";
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 1);
}

/* A backup may begin in the second in which the one before it ended. */
static void an_archive_of_the_same_second_is_told_by_its_fraction(void **state)
{
    static const struct {
        const char *start;
        bool within;
    } rows[] = {
        {"1970-01-01T00:01:00.499999", false}, {"1970-01-01T00:01:00.500000", true},
        {"1970-01-01T00:01:00.7", true},       {"1970-01-01T00:01:01.200000", true},
        {"1970-01-01T00:01:01.201", false},    {"1970-01-01T00:01:00", true},
        {"1970-01-01T00:01:01", true},         {"1970-01-01T00:00:59", false},
        {"1970-01-01T00:01:02", false},        {"", false},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct archive_read_spec spec;
        char path[128], script[128];
        (void)archive_fresh(state);
        (void)snprintf(script, sizeof script,
                       "echo '{\"archives\": [{\"name\": \"a\", \"start\": \"%s\"}]}'",
                       rows[i].start);
        with_script(f, &spec, path, sizeof path, script);
        spec.since_ms = 60500;
        spec.until_ms = 61200;
        ask(f, &spec);
        assert_int_equal(json_array_size(f->found), rows[i].within);
        (void)archive_drop(state);
    }
}

static void a_question_taken_back_ends_borg(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec;
    char path[128];
    with_script(f, &spec, path, sizeof path, "exec sleep 1000");
    struct archive_read *r = archive_read_start(&f->loop, &spec, NULL);
    assert_non_null(r);
    archive_read_cancel(r);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->done, 0);
    archive_read_cancel(NULL);
    spec.borg = "/nonexistent/borg";
    struct err e = {0};
    assert_null(archive_read_start(&f->loop, &spec, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static void a_remote_repository_gets_the_ssh_options_of_a_job(void **state)
{
    static const char *const base[] = {"A=1", "BORG_PASSPHRASE=x", NULL};
    static const char *const recorded[] = {"A=2", "BORG_RSH=ssh -i k", NULL};
    struct resolved_repo repo = {.location = "ssh://h/r", .remote = true, .env = recorded};
    static const char *const verb[] = {"list", NULL};
    const struct borg_command spec = {.borg = "/b", .repo = &repo, .verb = verb, .env = base};
    struct arena a;
    arena_init(&a, 64 * 1024);
    const char *const *env = borg_command_env(&a, &spec, true, NULL);
    assert_non_null(env);
    assert_string_equal(env[0], "BORG_FUSE_IMPL=none");
    assert_string_equal(env[1], "A=2");
    assert_int_equal(strncmp(env[2], "BORG_RSH=ssh -i k -o StrictHostKeyChecking=yes", 46), 0);
    assert_string_equal(env[3], "TZ=UTC");
    assert_string_equal(env[4], "BORG_PASSPHRASE_FD=3");
    assert_null(env[5]);
    arena_done(&a);
}

static void fuse_is_loaded_where_something_is_mounted_or_the_owner_says_so(void **state)
{
    static const struct {
        const char *verb[3], *base[2], *first;
    } rows[] = {{{"info", "--json", NULL}, {NULL}, "BORG_FUSE_IMPL=none"},
                {{"info", NULL}, {"BORG_FUSE_IMPL=llfuse", NULL}, "BORG_FUSE_IMPL=llfuse"},
                {{"mount", "--foreground", NULL}, {NULL}, "TZ=UTC"},
                {{"umount", NULL}, {NULL}, "TZ=UTC"},
                {{"with-lock", NULL}, {NULL}, "TZ=UTC"}};
    struct resolved_repo repo = {.location = "/r"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct borg_command spec = {
            .borg = "/b", .repo = &repo, .verb = rows[i].verb, .env = rows[i].base};
        struct arena a;
        arena_init(&a, 64 * 1024);
        const char *const *env = borg_command_env(&a, &spec, false, NULL);
        assert_non_null(env);
        assert_string_equal(env[0], rows[i].first);
        arena_done(&a);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, archive_fresh, archive_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_secret_reaches_argv_or_environment),
        CASE(answers_that_are_none_are_failures),
        CASE(warnings_do_not_hide_the_answer),
        CASE(an_archive_of_the_same_second_is_told_by_its_fraction),
        CASE(a_question_taken_back_ends_borg),
        cmocka_unit_test(a_remote_repository_gets_the_ssh_options_of_a_job),
        cmocka_unit_test(fuse_is_loaded_where_something_is_mounted_or_the_owner_says_so),
    };
    return cmocka_run_group_tests(tests, archive_make_dir, archive_destroy);
}
