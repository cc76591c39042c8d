/* archive_read against the real borg, and against one that misbehaves. */
#include "backup/archive_read.h"

#include "backup/borg_command.h"
#include "base/json.h"
#include "base/mem.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char passphrase[] = "correct horse \"battery\" staple";

struct fixture {
    char dir[64], home[80], base[96], location[96];
    const char *env[8];
    struct resolved_repo repo;
    struct secret *secret, *wrong;
    uv_loop_t loop;
    json_t *found;
    struct err e;
    int done, started;
    int64_t begun;
};

static struct fixture *all; /* one repository for all tests: making it takes seconds */

__attribute__((format(printf, 1, 2))) static int shell(const char *fmt, ...)
{
    char command[2048];
    int n = snprintf(command, sizeof command,
                     "cd '%s' && export HOME='%s' BORG_BASE_DIR='%s' TZ=UTC && ", all->dir,
                     all->dir, all->base + strlen("BORG_BASE_DIR="));
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(command + n, sizeof command - (size_t)n, fmt, ap);
    va_end(ap);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("BORG_PASSPHRASE", passphrase, 1);
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int make(void **state)
{
    static const char *const options[] = {"--lock-wait", "77", "--umask", "0077", NULL};
    static const char *const repo_env[] = {"BORG_RELOCATED_REPO_ACCESS_IS_OK=no", NULL};
    struct fixture *f = all = mem_zalloc(sizeof *f);
    *state = f;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/archive_read_test.XXXXXX");
    if (!mkdtemp(f->dir) || uv_loop_init(&f->loop) != 0)
        return -1;
    (void)snprintf(f->home, sizeof f->home, "HOME=%s", f->dir);
    (void)snprintf(f->base, sizeof f->base, "BORG_BASE_DIR=%s/base", f->dir);
    (void)snprintf(f->location, sizeof f->location, "%s/repo", f->dir);
    f->env[0] = f->home;
    f->env[1] = f->base;
    f->env[2] = "PATH=/usr/bin:/bin";
    f->env[3] = "TZ=Asia/Tokyo"; /* ours prevails */
    f->repo = (struct resolved_repo){.location = f->location,
                                     .normal = f->location,
                                     .label = "",
                                     .options = options,
                                     .env = repo_env};
    f->secret = secret_new(passphrase, strlen(passphrase));
    f->wrong = secret_new("wrong", 5);
    f->begun = time(NULL);
    if (access("/usr/bin/borg", X_OK) != 0)
        return 0;
    return shell("mkdir src && echo 1 > src/a && borg init -e repokey repo 2>/dev/null && "
                 "borg create repo::old-1 src && borg create --timestamp 2020-01-02T03:04:05 "
                 "repo::ancient src && echo 2 > src/b && borg create repo::new-2 src");
}

static int destroy(void **state)
{
    struct fixture *f = *state;
    secret_free(f->secret);
    secret_free(f->wrong);
    int r = uv_loop_close(&f->loop);
    for (int i = 0; r != 0 && i < 500; i++) { /* a child that was given up is reaped in time */
        (void)usleep(10000);
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
        r = uv_loop_close(&f->loop);
    }
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(f);
    return r;
}

static int fresh(void **state)
{
    *state = all;
    all->done = all->started = 0;
    all->e = (struct err){0};
    return 0;
}

static int drop(void **state)
{
    json_decref(all->found);
    all->found = NULL;
    return 0;
}

static void on_started(void *arg, pid_t pid)
{
    ((struct fixture *)arg)->started++;
}

static void on_done(void *arg, const json_t *archives, const struct err *e)
{
    struct fixture *f = arg;
    f->done++;
    f->found = json_deep_copy(archives);
    if (e)
        f->e = *e;
}

static struct archive_read_spec spec_of(struct fixture *f)
{
    if (access("/usr/bin/borg", X_OK) != 0)
        skip();
    return (struct archive_read_spec){.borg = "/usr/bin/borg",
                                      .repo = &f->repo,
                                      .passphrase = f->secret,
                                      .env = f->env,
                                      .max = 1,
                                      .started = on_started,
                                      .done = on_done,
                                      .arg = f};
}

static void ask(struct fixture *f, const struct archive_read_spec *spec)
{
    struct err e = {0};
    assert_non_null(archive_read_start(&f->loop, spec, &e));
    assert_int_equal(f->done, 0);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->done, 1);
    assert_int_equal(f->started, 1);
    assert_true((f->found != NULL) == (f->e.code == ERR_NONE));
}

static const json_t *nth(const struct fixture *f, size_t i)
{
    return json_array_get(f->found, i);
}

static void a_named_archive_is_read_with_its_sizes(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.archive = "old-1";
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 1);
    assert_string_equal(json_get_str(nth(f, 0), "name", ""), "old-1");
    assert_int_equal(strlen(json_get_str(nth(f, 0), "id", "")), 64);
    assert_int_equal(json_get_int(json_object_get(nth(f, 0), "stats"), "nfiles", -1), 1);
    int64_t start = archive_read_time(json_get_str(nth(f, 0), "start", ""));
    assert_true(start >= f->begun && start <= time(NULL)); /* UTC, whatever our own zone is */
}

static void the_newest_of_a_time_are_found(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.since = f->begun;
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 1);
    assert_string_equal(json_get_str(nth(f, 0), "name", ""), "new-2");
}

static void a_list_comes_newest_first_and_within_the_time(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.since = f->begun;
    spec.max = 10;
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 2);
    assert_string_equal(json_get_str(nth(f, 0), "name", ""), "new-2");
    assert_string_equal(json_get_str(nth(f, 1), "name", ""), "old-1");
}

static void none_in_the_time_is_an_empty_list(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.since = 1000;
    spec.until = 2000;
    ask(f, &spec);
    assert_int_equal(json_array_size(f->found), 0);
}

static void an_archive_that_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.archive = "nope";
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_ARCHIVE_NOT_FOUND);
}

static void the_configs_own_passphrase_serves_when_the_caller_gives_none(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.passphrase = f->secret;
    spec.repo = &repo;
    spec.passphrase = NULL;
    ask(f, &spec);
    assert_non_null(f->found);
}

static void the_callers_passphrase_wins(void **state)
{
    static const char *const env[] = {"BORG_PASSCOMMAND=false", NULL};
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.passphrase = f->wrong;
    repo.env = env;
    spec.repo = &repo;
    ask(f, &spec);
    assert_non_null(f->found);
}

static void a_passcommand_is_left_to_borg(void **state)
{
    static const char *const env[] = {"BORG_PASSCOMMAND=echo 'correct horse \"battery\" staple'",
                                      NULL};
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.env = env;
    spec.repo = &repo;
    spec.passphrase = NULL;
    ask(f, &spec);
    assert_non_null(f->found);
}

static void a_wrong_or_missing_passphrase_is_told(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    spec.passphrase = f->wrong;
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_WRONG_PASSPHRASE);
    assert_string_equal(f->e.msg, "the passphrase of the repository is wrong");
    (void)fresh(state);
    spec.passphrase = NULL;
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_WRONG_PASSPHRASE);
    assert_non_null(strstr(f->e.msg, "none was given"));
}

static void a_missing_repository_is_told(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    struct resolved_repo repo = f->repo;
    repo.location = "/nonexistent/repository";
    spec.repo = &repo;
    ask(f, &spec);
    assert_int_equal(f->e.code, ERR_REPOSITORY_NOT_FOUND);
}

static void a_locked_repository_is_told(void **state)
{
    struct fixture *f = *state;
    struct archive_read_spec spec = spec_of(f);
    assert_int_equal(shell("mkdir repo/lock.exclusive && : > "
                           "repo/lock.exclusive/elsewhere@123456.4242-0"),
                     0);
    ask(f, &spec);
    assert_int_equal(shell("rm -r repo/lock.exclusive"), 0);
    assert_int_equal(f->e.code, ERR_REPOSITORY_LOCKED);
    assert_non_null(strstr(f->e.msg, "lock.exclusive"));
}

/* ---- a borg that misbehaves ---- */

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
        (void)fresh(state);
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
    const struct archive_read_spec spec = {.borg = "/b", .repo = &repo, .env = base};
    struct arena a;
    arena_init(&a, 64 * 1024);
    const char *const *env = borg_command_env(&a, &spec, true, NULL);
    assert_non_null(env);
    assert_string_equal(env[0], "A=2");
    assert_int_equal(strncmp(env[1], "BORG_RSH=ssh -i k -o StrictHostKeyChecking=yes", 46), 0);
    assert_string_equal(env[2], "TZ=UTC");
    assert_string_equal(env[3], "BORG_PASSPHRASE_FD=3");
    assert_null(env[4]);
    arena_done(&a);
}

static void borgs_times_are_read(void **state)
{
    assert_int_equal(archive_read_time("1970-01-01T00:01:00.000000"), 60);
    assert_int_equal(archive_read_time("2026-11-23T02:45:54"), 1795401954);
    assert_int_equal(archive_read_time("yesterday"), -1);
    assert_int_equal(archive_read_time("2026-11-23T02:45:54+01:00"), -1);
    assert_int_equal(archive_read_time(""), -1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fresh, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_named_archive_is_read_with_its_sizes),
        CASE(the_newest_of_a_time_are_found),
        CASE(a_list_comes_newest_first_and_within_the_time),
        CASE(none_in_the_time_is_an_empty_list),
        CASE(an_archive_that_is_not_there_is_not_found),
        CASE(the_configs_own_passphrase_serves_when_the_caller_gives_none),
        CASE(the_callers_passphrase_wins),
        CASE(a_passcommand_is_left_to_borg),
        CASE(a_wrong_or_missing_passphrase_is_told),
        CASE(a_missing_repository_is_told),
        CASE(a_locked_repository_is_told),
        CASE(no_secret_reaches_argv_or_environment),
        CASE(answers_that_are_none_are_failures),
        CASE(warnings_do_not_hide_the_answer),
        CASE(a_question_taken_back_ends_borg),
        cmocka_unit_test(a_remote_repository_gets_the_ssh_options_of_a_job),
        cmocka_unit_test(borgs_times_are_read),
    };
    return cmocka_run_group_tests(tests, make, destroy);
}
