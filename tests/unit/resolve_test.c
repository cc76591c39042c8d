/* resolve against the real borgmatic. The test program is its own shim: the control directory links
 * `borg` to the program that made it. */
#include "backup/repo/resolve.h"

#include "backup/control/control.h"
#include "base/mem.h"
#include "loop_kit.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { ANSWERS = 8 };

struct answer {
    struct resolved *res;
    struct err e;
};

struct fixture {
    char dir[64];
    char home[80], path[256];
    const char *env[4];
    uv_loop_t loop;
    struct borgmatic_tools tools;
    struct resolve *r;
    struct answer answers[ANSWERS];
    size_t count;
};

static void write_file(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void on_tools(void *arg, const struct borgmatic_tools *t)
{
    *(struct borgmatic_tools *)arg = *t;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    *state = f;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/resolve_test.XXXXXX");
    if (!mkdtemp(f->dir) || uv_loop_init(&f->loop) != 0)
        return -1;
    const char *path = getenv("RESOLVE_TEST_PATH"); /* another borgmatic than the installed one */
    (void)snprintf(f->path, sizeof f->path, "%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
    (void)snprintf(f->home, sizeof f->home, "HOME=%s", f->dir);
    f->env[0] = f->home;
    f->env[1] = "LC_ALL=C.UTF-8";
    const char *const env[] = {f->home, "PATH=/usr/bin:/bin", NULL};
    if (!borgmatic_probe(&f->loop, f->path, env, on_tools, &f->tools, NULL))
        return -1;
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    const struct resolve_settings set = {.state_dir = f->dir, .env = f->env, .path = f->path};
    f->r = resolve_new(&f->loop, &set);
    return f->r ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < f->count; i++)
        resolved_unref(f->answers[i].res);
    resolve_free(f->r);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = loop_kit_close(&f->loop);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(f);
    return r;
}

static void on_resolved(void *arg, struct resolved *res, const struct err *e)
{
    struct fixture *f = arg;
    assert_true(f->count < ANSWERS);
    struct answer *a = &f->answers[f->count++];
    a->res = res;
    if (e)
        a->e = *e;
    assert_true((res != NULL) != (e != NULL));
}

static void ask(struct fixture *f, const char *name)
{
    char file[256];
    size_t before = f->count;
    (void)snprintf(file, sizeof file, "%s/%s", f->dir, name);
    resolve_config(f->r, &f->tools, file, on_resolved, f);
    assert_int_equal(f->count, before); /* never from inside */
}

static const struct answer *answer_to(struct fixture *f, const char *name, const char *text)
{
    if (f->tools.problem[0] != '\0') {
        (void)printf("skipped: %s\n", f->tools.problem);
        skip();
    }
    if (text)
        write_file(f, name, text, 0600);
    ask(f, name);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->count > 0);
    return &f->answers[f->count - 1];
}

static const char *entry(const char *const *v, const char *prefix)
{
    for (; v && *v; v++)
        if (strncmp(*v, prefix, strlen(prefix)) == 0)
            return *v;
    return NULL;
}

static void a_sectioned_file_tells_its_repositories(void **state)
{
    const struct answer *a = answer_to(*state, "a.yaml",
                                       "location:\n"
                                       "    source_directories: [/etc]\n"
                                       "    remote_path: borg1\n"
                                       "    repositories:\n"
                                       "        - /srv/nowhere/one//\n"
                                       "        - ssh://me@host.invalid:2222/./two\n"
                                       "storage:\n"
                                       "    encryption_passphrase: \"s3cret phrase\"\n"
                                       "    ssh_command: ssh -i /root/.ssh/k\n"
                                       "    lock_wait: 7\n"
                                       "    borg_base_directory: /var/borg\n"
                                       "    retries: 3\n"
                                       "hooks:\n"
                                       "    before_actions: [touch /tmp/resolve_test_hook]\n");
    struct resolved *r = a->res;
    assert_string_equal(a->e.msg, "");
    assert_non_null(r);
    assert_true(r->sectioned);
    assert_null(r->local_path);
    assert_int_equal(r->count, 2);
    assert_string_equal(r->repos[0].normal, "/srv/nowhere/one");
    assert_false(r->repos[0].remote);
    assert_string_equal(r->repos[0].label, "");
    assert_string_equal(r->repos[1].location, "ssh://me@host.invalid:2222/./two");
    assert_true(r->repos[1].remote);
    assert_string_equal(resolved_repo_name(&r->repos[1]), "two");
    for (size_t i = 0; i < 2; i++) {
        assert_true(secret_equal_bytes(r->repos[i].passphrase, "s3cret phrase", 13));
        assert_string_equal(entry(r->repos[i].env, "BORG_RSH="), "BORG_RSH=ssh -i /root/.ssh/k");
        assert_string_equal(entry(r->repos[i].env, "BORG_BASE_DIR="), "BORG_BASE_DIR=/var/borg");
        assert_null(entry(r->repos[i].env, "BORG_PASSPHRASE"));
        assert_string_equal(r->repos[i].options[0], "--remote-path");
        assert_string_equal(r->repos[i].options[1], "borg1");
        assert_string_equal(r->repos[i].options[2], "--lock-wait");
        assert_string_equal(r->repos[i].options[3], "7");
        assert_null(r->repos[i].options[4]);
    }
    assert_int_equal(access("/tmp/resolve_test_hook", F_OK), -1); /* no hook ran */
}

static void a_passcommand_stays_what_it_is(void **state)
{
    struct fixture *f = *state;
    const struct answer *a = answer_to(f, "a.yaml",
                                       "location:\n"
                                       "    source_directories: [/etc]\n"
                                       "    repositories: [/srv/nowhere/one]\n"
                                       "storage:\n"
                                       "    encryption_passcommand: echo passed\n");
    assert_non_null(a->res);
    if (borgmatic_version_cmp(f->tools.borgmatic_version, 1, 9, 0) < 0) {
        assert_null(a->res->repos[0].passphrase);
        assert_string_equal(entry(a->res->repos[0].env, "BORG_PASSCOMMAND="),
                            "BORG_PASSCOMMAND=echo passed");
    } else { /* borgmatic runs it itself */
        assert_true(secret_equal_bytes(a->res->repos[0].passphrase, "passed", 6));
    }
}

static void includes_are_borgmatics_business(void **state)
{
    struct fixture *f = *state;
    write_file(f, "common.inc", "source_directories: [/etc]\nrepositories: [/srv/nowhere/inc]\n",
               0600);
    const struct answer *a = answer_to(f, "a.yaml", "location: !include common.inc\n");
    assert_string_equal(a->e.msg, "");
    assert_non_null(a->res);
    assert_int_equal(a->res->count, 1);
    assert_string_equal(a->res->repos[0].location, "/srv/nowhere/inc");
    assert_null(a->res->local_path);
}

static void a_local_path_is_told_and_never_run_on_the_repository(void **state)
{
    struct fixture *f = *state;
    char text[512];
    write_file(f, "myborg",
               "#!/bin/sh\n"
               "[ \"$1\" = --version ] && echo borg 1.2.4 && exit 0\n"
               "for last; do :; done; echo \"$last\" >>\"$0.ran\"; exit 2\n",
               0755);
    (void)snprintf(text, sizeof text,
                   "location:\n    source_directories: [/etc]\n    local_path: %s/myborg\n"
                   "    repositories: [/srv/nowhere/one]\n",
                   f->dir);
    const struct answer *a = answer_to(f, "a.yaml", text);
    assert_string_equal(a->e.msg, "");
    assert_non_null(a->res);
    (void)snprintf(text, sizeof text, "%s/myborg", f->dir);
    assert_string_equal(a->res->local_path, text);
    assert_string_equal(a->res->repos[0].location, "/srv/nowhere/one");
    (void)snprintf(text, sizeof text, "%s/myborg.ran", f->dir);
    FILE *ran = fopen(text, "re");
    assert_non_null(ran);
    while (fgets(text, sizeof text, ran))
        assert_string_equal(text, "/nonexistent/repository\n");
    assert_int_equal(fclose(ran), 0);
}

static void a_file_that_borgmatic_refuses_is_invalid_in_its_own_words(void **state)
{
    const struct answer *a = answer_to(*state, "a.yaml",
                                       "location:\n"
                                       "    source_directories: [/etc]\n"
                                       "    repositories: [/srv/nowhere/one]\n"
                                       "storage:\n"
                                       "    encryption_passphrase: 87654321\n"
                                       "    foo: bar\n");
    assert_null(a->res);
    assert_int_equal(a->e.code, ERR_INVALID_CONFIG);
    assert_non_null(strstr(a->e.msg, "Additional properties are not allowed ('foo' was "
                                     "unexpected)"));
    assert_null(strstr(a->e.msg, "87654321"));
    assert_null(strchr(a->e.msg, '\033'));
}

static void broken_yaml_and_no_repository_are_invalid_too(void **state)
{
    struct fixture *f = *state;
    const struct answer *a = answer_to(f, "a.yaml", "location:\n    repositories: [\"topsecret\n");
    assert_int_equal(a->e.code, ERR_INVALID_CONFIG);
    assert_non_null(strstr(a->e.msg, "found unexpected end of stream"));
    assert_null(strstr(a->e.msg, "topsecret"));
    a = answer_to(f, "b.yaml", "location:\n    source_directories: [/etc]\n    repositories: []\n");
    assert_null(a->res);
    assert_int_equal(a->e.code, ERR_INVALID_CONFIG);
    a = answer_to(f, "gone.yaml", NULL);
    assert_int_equal(a->e.code, ERR_NOT_FOUND);
}

#define PLAIN(name) \
    "location:\n    source_directories: [/etc]\n    repositories: [/srv/nowhere/" name "]\n"

static void equal_questions_share_one_answer_until_the_file_changes(void **state)
{
    struct fixture *f = *state;
    write_file(f, "a.yaml", PLAIN("one"), 0600);
    ask(f, "a.yaml");
    ask(f, "a.yaml");
    (void)answer_to(f, "a.yaml", NULL);
    assert_int_equal(f->count, 3);
    assert_non_null(f->answers[0].res);
    assert_ptr_equal(f->answers[0].res, f->answers[1].res);
    assert_ptr_equal(f->answers[0].res, f->answers[2].res);
    assert_ptr_equal(answer_to(f, "a.yaml", NULL)->res, f->answers[0].res); /* from the cache */
    const struct answer *a = answer_to(f, "a.yaml", PLAIN("another"));
    assert_ptr_not_equal(a->res, f->answers[0].res);
    assert_string_equal(a->res->repos[0].location, "/srv/nowhere/another");
}

static void a_question_taken_back_is_not_answered(void **state)
{
    struct fixture *f = *state;
    if (f->tools.problem[0] != '\0')
        skip();
    write_file(f, "a.yaml", PLAIN("one"), 0600);
    ask(f, "a.yaml");
    resolve_cancel(f->r, f);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->count, 0);
    write_file(f, "a.yaml", PLAIN("another"), 0600);
    ask(f, "a.yaml");
    (void)uv_run(&f->loop, UV_RUN_ONCE);
    resolve_free(f->r); /* in the midst of it */
    f->r = NULL;
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->count, 0);
}

/* Before 1.8 borgmatic takes files with sections only, and says so. */
static void a_flat_file_has_labels_where_there_are_such_files(void **state)
{
    struct fixture *f = *state;
    const struct answer *a = answer_to(f, "a.yaml",
                                       "source_directories: [/etc]\n"
                                       "repositories:\n"
                                       "    - path: /srv/nowhere/one\n"
                                       "      label: main\n"
                                       "    - path: /srv/nowhere/two\n"
                                       "encryption_passphrase: abc\n");
    if (borgmatic_version_cmp(f->tools.borgmatic_version, 1, 8, 0) < 0) {
        assert_null(a->res);
        assert_int_equal(a->e.code, ERR_INVALID_CONFIG);
        return;
    }
    assert_string_equal(a->e.msg, "");
    assert_non_null(a->res);
    assert_false(a->res->sectioned);
    assert_string_equal(a->res->repos[0].label, "main");
    assert_string_equal(a->res->repos[1].label, "");
    assert_true(secret_equal_bytes(a->res->repos[1].passphrase, "abc", 3));
}

static void a_label_finds_its_file(void **state)
{
    struct fixture *f = *state;
    char out[256];
    char want[256];
    struct err e = {0};
    write_file(f, "x.yml", "", 0600);
    (void)snprintf(want, sizeof want, "%s/x.yml", f->dir);
    assert_true(resolve_find(f->dir, "x", out, sizeof out, &e));
    assert_string_equal(out, want);
    write_file(f, "x.yaml", "", 0600);
    assert_true(resolve_find(f->dir, "x", out, sizeof out, &e));
    assert_string_equal(out + strlen(out) - 5, ".yaml");
    assert_false(resolve_find(f->dir, "y", out, sizeof out, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.msg, "Config y not found");
    (void)snprintf(want, sizeof want, "%s/d.yaml", f->dir);
    assert_int_equal(mkdir(want, 0700), 0);
    assert_false(resolve_find(f->dir, "d", out, sizeof out, &e));
    assert_false(resolve_find(f->dir, "x", out, 8, &e));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    if (strcmp(name ? name + 1 : argv[0], "borg") == 0)
        return shim_main(argc, argv);
    const struct CMUnitTest tests[] = {
        CASE(a_sectioned_file_tells_its_repositories),
        CASE(a_passcommand_stays_what_it_is),
        CASE(includes_are_borgmatics_business),
        CASE(a_local_path_is_told_and_never_run_on_the_repository),
        CASE(a_file_that_borgmatic_refuses_is_invalid_in_its_own_words),
        CASE(broken_yaml_and_no_repository_are_invalid_too),
        CASE(equal_questions_share_one_answer_until_the_file_changes),
        CASE(a_question_taken_back_is_not_answered),
        CASE(a_flat_file_has_labels_where_there_are_such_files),
        CASE(a_label_finds_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
