#include "control_case.h"

#include "base/json.h"

#include <sys/wait.h>

static const char real_borg[] = "/usr/bin/borg";

/* ---- the real borgmatic and borg ---- */

static const char config_1_7[] = "location:\n"
                                 "    source_directories: [%s/source]\n"
                                 "    repositories: [%s/repo]\n"
                                 "retention:\n"
                                 "    keep_daily: 7\n";

static void make_repository(struct control_case *t)
{
    char command[1024];
    (void)snprintf(command, sizeof command,
                   "mkdir -p %s/source && cd %s && head -c 3000000 /dev/urandom >source/big && "
                   "BORG_BASE_DIR=%s/base BORG_PASSPHRASE=the-secret borg init -e repokey repo "
                   "2>/dev/null",
                   t->root, t->root, t->root);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    char text[1024];
    (void)snprintf(text, sizeof text, config_1_7, t->root, t->root);
    case_write(t, "config.yaml", text, 0600);
}

static void read_proc(pid_t pid, const char *file, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    for (size_t i = 0; i < n; i++)
        if (out[i] == '\0')
            out[i] = '\n';
    out[n] = '\0';
    if (f)
        (void)fclose(f);
}

static char borg_environ[16384], borg_cmdline[16384];

static void look_at_borg(struct control_case *t, const json_t *j)
{
    if (borg_environ[0] == '\0') {
        read_proc(t->borg_pid, "environ", borg_environ, sizeof borg_environ);
        read_proc(t->borg_pid, "cmdline", borg_cmdline, sizeof borg_cmdline);
    }
}

static void borgmatic(struct control_case *t, const char *const *more_args)
{
    char base[128], config[128];
    (void)snprintf(base, sizeof base, "BORG_BASE_DIR=%s/base", t->root);
    (void)snprintf(config, sizeof config, "%s/config.yaml", t->root);
    const char *argv[16] = {"/usr/bin/borgmatic", "create", "-c", config,
                            "--syslog-verbosity", "-1"};
    for (size_t i = 6; *more_args; more_args++)
        argv[i++] = *more_args;
    const char *const more[] = {base, NULL};
    case_start(t, argv, more);
    case_wait(t);
}

static void borgmatic_create_is_seen_from_start_to_archive_and_the_passphrase_is_nowhere(void **s)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    struct secret *secret = secret_new("the-secret", 10);
    t.spec.borg_passphrase = secret;
    t.message = look_at_borg;
    borg_environ[0] = '\0';
    case_open(&t);
    const char *const none[] = {NULL};
    borgmatic(&t, none);
    if (t.code != 0)
        print_message("%s%s%s", buf_str(&t.out), buf_str(&t.err), buf_str(&t.texts));
    assert_int_equal(t.code, 0);
    assert_int_equal(t.starts, 1);
    assert_int_equal(t.exits, 1);
    assert_int_equal(t.exit_codes[0], 0);
    assert_int_equal(t.exit_signals[0], 0);
    assert_non_null(strstr(t.commands[0], "borg create"));
    assert_true(case_count(&t, "type", "archive_progress") >= 1);
    assert_true(case_count(&t, "type", "progress_message") >= 1);
    assert_int_equal(strlen(case_find(&t, "message", "Archive fingerprint:", "message")),
                     strlen("Archive fingerprint: ") + 64);
    assert_string_equal(buf_str(&t.out), "");
    assert_string_equal(buf_str(&t.err), "");
    assert_non_null(strstr(borg_environ, "BORG_PASSPHRASE_FD="));
    assert_null(strstr(borg_environ, "BORG_PASSPHRASE="));
    assert_null(strstr(borg_environ, "the-secret"));
    assert_non_null(strstr(borg_cmdline, "--log-json"));
    assert_null(strstr(borg_cmdline, "the-secret"));
    case_done(&t);
    secret_free(secret);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            borgmatic_create_is_seen_from_start_to_archive_and_the_passphrase_is_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
