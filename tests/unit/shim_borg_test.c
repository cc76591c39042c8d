#include "control_case.h"

static const char real_borg[] = "/usr/bin/borg";

/* ---- the real borgmatic and borg ---- */

/* borgmatic's version as 100 × major + minor, asked once and with nothing in between. */
static int version(void)
{
    static int known;
    if (known)
        return known;
    struct control_case t;
    int major, minor;
    case_init(&t, real_borg);
    case_open(&t);
    case_script(&t, "borgmatic --version");
    assert_int_equal(sscanf(buf_str(&t.out), "%d.%d", &major, &minor), 2);
    case_done(&t);
    known = 100 * major + minor;
    return known;
}

/* The config that each borgmatic takes without a word of complaint. */
static void write_config(struct control_case *t, const char *passphrase)
{
    char text[1024];
    if (version() < 108)
        (void)snprintf(text, sizeof text,
                       "location:\n"
                       "    source_directories: [%s/source]\n"
                       "    repositories: [%s/repo]\n"
                       "storage:\n"
                       "    lock_wait: 1\n%s%s\n"
                       "retention:\n"
                       "    keep_daily: 7\n",
                       t->root, t->root, passphrase ? "    encryption_passphrase: " : "",
                       passphrase ? passphrase : "");
    else
        (void)snprintf(text, sizeof text,
                       "source_directories: [%s/source]\n"
                       "repositories:\n"
                       "    - path: %s/repo\n"
                       "lock_wait: 1\n%s%s\n"
                       "keep_daily: 7\n",
                       t->root, t->root, passphrase ? "encryption_passphrase: " : "",
                       passphrase ? passphrase : "");
    case_write(t, "config.yaml", text, 0600);
}

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
    write_config(t, NULL);
}

static char borg_environ[16384], borg_cmdline[16384];

static void look_at_borg(struct control_case *t, const json_t *j)
{
    if (borg_environ[0] == '\0') {
        case_read_proc(t->borg_pid, "environ", borg_environ, sizeof borg_environ);
        case_read_proc(t->borg_pid, "cmdline", borg_cmdline, sizeof borg_cmdline);
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
    assert_non_null(strstr(borg_environ, "BORG_FUSE_IMPL=none"));
    assert_non_null(strstr(borg_cmdline, "--log-json"));
    assert_null(strstr(borg_cmdline, "the-secret"));
    case_done(&t);
    secret_free(secret);
}

static const char *const no_more[] = {NULL};

static void a_wrong_passphrase_is_borgs_own_code_and_word(void **state)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    struct secret *secret = secret_new("not-the-secret", 14);
    t.spec.borg_passphrase = secret;
    case_open(&t);
    borgmatic(&t, no_more);
    assert_int_equal(t.code, 1);
    assert_int_equal(t.exit_codes[0], version() < 109 ? 2 : 52);
    assert_string_equal(case_find(&t, "msgid", "PassphraseWrong", "levelname"), "ERROR");
    assert_non_null(strstr(buf_str(&t.err), "passphrase supplied in BORG_PASSPHRASE"));
    assert_null(strstr(buf_str(&t.err), "{\""));
    case_done(&t);
    secret_free(secret);
}

static void a_json_document_of_borgmatic_stays_whole_beside_the_messages(void **state)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    struct secret *secret = secret_new("the-secret", 10);
    t.spec.borg_passphrase = secret;
    case_open(&t);
    const char *const json[] = {"--json", NULL};
    borgmatic(&t, json);
    assert_int_equal(t.code, 0);
    json_t *j = json_loads(buf_str(&t.out), 0, NULL);
    assert_int_equal(json_array_size(j), 1);
    json_decref(j);
    assert_true(case_count(&t, "type", "archive_progress") >= 1);
    case_done(&t);
    secret_free(secret);
}

static void stats_and_list_that_borgmatic_asked_for_reach_it_as_text(void **state)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    struct secret *secret = secret_new("the-secret", 10);
    t.spec.borg_passphrase = secret;
    case_open(&t);
    const char *const more[] = {"--stats", "--list", "-v", "1", NULL};
    borgmatic(&t, more);
    assert_int_equal(t.code, 0);
    assert_non_null(strstr(buf_str(&t.out), "Archive fingerprint: "));
    assert_non_null(strstr(buf_str(&t.out), "/source/big\n"));
    assert_null(strstr(buf_str(&t.out), "{\""));
    assert_true(case_count(&t, "type", "file_status") >= 1);
    case_done(&t);
    secret_free(secret);
}

static unsigned evidences;

static void on_evidence(void *arg, const char *repository, const char *archive, const char *id,
                        int exit_code)
{
    const struct control_case *t = arg;
    evidences++;
    assert_memory_equal(repository, t->root, strlen(t->root));
    assert_string_equal(archive, "one");
    assert_int_equal(strlen(id), 64);
    assert_int_equal(exit_code, 1);
}

static void borg_with_a_missing_source_warns_and_leaves_evidence_of_its_archive(void **state)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    struct secret *secret = secret_new("the-secret", 10);
    t.spec.borg_passphrase = secret;
    case_open(&t);
    case_script(&t, "export BORG_BASE_DIR=$R/base BORG_PASSPHRASE=wrong\n"
                    "borg create $R/repo::one $R/source $R/nowhere; echo $?");
    assert_string_equal(buf_str(&t.out), "1\n");
    assert_non_null(strstr(buf_str(&t.err), "nowhere: "));
    assert_null(strstr(buf_str(&t.err), "fingerprint"));
    evidences = 0;
    control_evidence(control_dir(t.control), on_evidence, &t);
    assert_int_equal(evidences, 1);
    case_done(&t);
    secret_free(secret);
}

static void
the_callers_passphrase_beats_the_configs_and_without_it_the_configs_is_used(void **state)
{
    static const struct {
        const char *config, *caller;
    } rows[] = {{"the-secret", NULL}, {"wrong", "the-secret"}, {"the-secret", "the-secret"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct control_case t;
        case_init(&t, real_borg);
        make_repository(&t);
        write_config(&t, rows[i].config);
        struct secret *secret =
            rows[i].caller ? secret_new(rows[i].caller, strlen(rows[i].caller)) : NULL;
        t.spec.borg_passphrase = secret;
        case_open(&t);
        borgmatic(&t, no_more);
        if (t.code != 0)
            fail_msg("row %zu: %s%s", i, buf_str(&t.out), buf_str(&t.err));
        assert_int_equal(t.exit_codes[0], 0);
        case_done(&t);
        secret_free(secret);
    }
}

static void borgmatic_is_recorded_with_the_configs_own_passphrase(void **state)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    write_config(&t, "the-secret");
    t.spec.record = true;
    case_open(&t);
    case_script(&t, "exec borgmatic rlist -c $R/config.yaml --syslog-verbosity -1 --json");
    assert_int_equal(t.code, 0);
    assert_true(t.starts >= 1);
    assert_string_equal(t.passphrases[0], "the-secret");
    assert_non_null(strstr(t.commands[0], "borg list "));
    assert_non_null(strstr(t.commands[0], "/repo"));
    assert_non_null(strstr(t.commands[0], "--lock-wait 1"));
    assert_null(strstr(t.envs[0], "the-secret"));
    case_done(&t);
}

static void interrupt(struct control_case *t, const json_t *j)
{
    const char *type = json_string_value(json_object_get(j, "type"));
    if (type && strcmp(type, "archive_progress") == 0 && !t->late_leader) {
        t->late_leader = true; /* once */
        assert_int_equal(control_signal_borg(t->control, SIGINT), 1);
    }
}

static void an_interrupted_borg_says_so_and_leaves_no_lock(void **state)
{
    struct control_case t;
    case_init(&t, real_borg);
    make_repository(&t);
    t.message = interrupt;
    case_open(&t);
    case_script(&t, "mkdir $R/source/many; cd $R/source/many\n"
                    "head -c 60000000 /dev/urandom | split -b 20000 -a 4\n"
                    "export BORG_BASE_DIR=$R/base BORG_PASSPHRASE=the-secret\n"
                    "borg create $R/repo::one $R/source; echo $?; ls $R/repo | grep lock");
    assert_int_equal(t.exit_codes[0], 2);
    assert_int_equal(t.exit_signals[0], 0);
    assert_string_equal(buf_str(&t.out), "2\n");
    assert_non_null(strstr(buf_str(&t.err), "SIGINT"));
    case_done(&t);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            borgmatic_create_is_seen_from_start_to_archive_and_the_passphrase_is_nowhere),
        cmocka_unit_test(a_wrong_passphrase_is_borgs_own_code_and_word),
        cmocka_unit_test(a_json_document_of_borgmatic_stays_whole_beside_the_messages),
        cmocka_unit_test(stats_and_list_that_borgmatic_asked_for_reach_it_as_text),
        cmocka_unit_test(borg_with_a_missing_source_warns_and_leaves_evidence_of_its_archive),
        cmocka_unit_test(
            the_callers_passphrase_beats_the_configs_and_without_it_the_configs_is_used),
        cmocka_unit_test(borgmatic_is_recorded_with_the_configs_own_passphrase),
        cmocka_unit_test(an_interrupted_borg_says_so_and_leaves_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
