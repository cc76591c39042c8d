#include "control_case.h"

#include "backup/shim_args.h"
#include "backup/shim_lines.h"
#include "limits.h"

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
    assert_int_equal(t.exit_codes[0], 2);
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

/* ---- a borg that writes what the test wants ---- */

static char fake_path[128];

static void open_fake(struct control_case *t, const char *script)
{
    case_init(t, NULL);
    case_write(t, "fake", script, 0755);
    (void)snprintf(fake_path, sizeof fake_path, "%s/fake", t->root);
    t->spec.borg = fake_path;
    case_open(t);
}

static const char chatty[] =
    "#!/bin/sh\n"
    "cat >&2 <<'E'\n"
    "{\"nfiles\": 1, \"type\": \"archive_progress\", \"finished\": false}\n"
    "{\"type\": \"archive_progress\", \"finished\": true}\n"
    "{\"message\": \"Checking 1%\", \"msgid\": \"check\", \"type\": \"progress_percent\", "
    "\"finished\": false}\n"
    "{\"type\": \"log_message\", \"message\": \"two\\nlines\", \"levelname\": \"INFO\", "
    "\"name\": \"borg.x\"}\n"
    "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"/caf\\u00e9\"}\n"
    "{\"type\": \"question_prompt\", \"message\": \"Sure?\", \"msgid\": \"Q\"}\n"
    "{\"type\": \"log_message\", \"message\": \"Archive name: n\", \"levelname\": \"INFO\", "
    "\"name\": \"borg.output.stats\"}\n"
    "plain {text}\n"
    "{\"no\": \"type\"}\n"
    "Enter passphrase for key /r: {\"type\": \"log_message\", \"message\": \"glued\", "
    "\"name\": \"\"}\n"
    "E\n"
    "printf 'no newline' >&2\n";

static void borgmatic_gets_the_text_that_borg_would_have_written(void **state)
{
    struct control_case t;
    open_fake(&t, chatty);
    case_script(&t, "borg create r::a x");
    assert_string_equal(buf_str(&t.err), "two\nlines\nA /caf\xc3\xa9\nSure?\nplain {text}\n"
                                         "{\"no\": \"type\"}\nEnter passphrase for key /r: \n"
                                         "glued\nno newline\n");
    assert_int_equal(json_array_size(t.messages), 8);
    assert_string_equal(buf_str(&t.texts), "plain {text}\n{\"no\": \"type\"}\n"
                                           "Enter passphrase for key /r: \nno newline\n");
    case_done(&t);
}

static void stats_are_hidden_only_when_they_were_our_wish(void **state)
{
    struct control_case t;
    open_fake(&t, chatty);
    case_script(&t, "borg create --stats r::a x; borg prune --stats r");
    const char *first = strstr(buf_str(&t.err), "Archive name: n\n");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "Archive name: n\n"));
    case_done(&t);
}

static void json_lines_stay_as_they_are_when_borgmatic_reads_them(void **state)
{
    struct control_case t;
    open_fake(&t, chatty);
    case_script(&t, "borg create --log-json r::a x 2>$R/a; borg create --log-json -p r::a x 2>$R/b;"
                    "grep -c '^{' $R/a $R/b; grep -c progress $R/a $R/b; grep -c Archive $R/a");
    char want[512];
    (void)snprintf(want, sizeof want, "%s/a:5\n%s/b:8\n%s/a:0\n%s/b:3\n0\n", t.root, t.root, t.root,
                   t.root);
    assert_string_equal(buf_str(&t.out), want);
    case_done(&t);
}

static void progress_comes_at_a_pace_and_its_last_word_always(void **state)
{
    struct control_case t;
    open_fake(&t,
              "#!/bin/sh\n"
              "i=0; while [ $i -lt 3000 ]; do i=$((i+1))\n"
              "echo \"{\\\"nfiles\\\": $i, \\\"type\\\": \\\"archive_progress\\\", "
              "\\\"finished\\\": false}\" >&2; done\n"
              "echo '{\"type\": \"archive_progress\", \"finished\": true}' >&2\n"
              "echo '{\"nfiles\": 7, \"type\": \"archive_progress\", \"finished\": false}' >&2\n"
              "echo '{\"nfiles\": 8, \"type\": \"archive_progress\", \"finished\": false}' >&2\n");
    uint64_t from = uv_hrtime();
    case_script(&t, "borg create r::a x");
    uint64_t quarters = (uv_hrtime() - from) / 250000000;
    size_t n = json_array_size(t.messages);
    assert_true(n >= 5);
    assert_true(n <= 6 + quarters);
    const json_t *last = json_array_get(t.messages, n - 1);
    assert_int_equal(json_integer_value(json_object_get(last, "nfiles")), 8);
    last = json_array_get(t.messages, n - 4);
    assert_int_equal(json_integer_value(json_object_get(last, "nfiles")), 3000);
    assert_string_equal(buf_str(&t.err), "");
    case_done(&t);
}

static void a_line_beyond_the_bound_is_cut_and_the_next_is_whole(void **state)
{
    struct control_case t;
    open_fake(&t, "#!/bin/sh\n"
                  "head -c 200000 /dev/zero | tr '\\0' x >&2\n"
                  "printf '\\nnext\\n' >&2\n");
    case_script(&t, "borg list r");
    assert_int_equal(t.texts.n, LIMIT_LINE + 1 + 5);
    assert_string_equal(buf_str(&t.texts) + LIMIT_LINE, "\nnext\n");
    assert_string_equal(buf_str(&t.err), buf_str(&t.texts));
    case_done(&t);
}

static void the_shim_ends_as_borg_did(void **state)
{
    struct control_case t;
    open_fake(&t, "#!/bin/sh\nexit $2\n");
    case_script(&t, "for i in 0 1 2 107 143 255; do borg --log-json $i; echo $?; done");
    assert_string_equal(buf_str(&t.out), "0\n1\n2\n107\n143\n255\n");
    assert_int_equal(t.exit_codes[3], 107);
    assert_int_equal(t.exit_signals[4], 0);
    case_done(&t);
}

static void a_signal_that_killed_borg_kills_the_shim_too(void **state)
{
    struct control_case t;
    open_fake(&t, "#!/bin/sh\nkill -$2 $$\n");
    case_script(&t, "exec python3 -c '\n"
                    "import subprocess\n"
                    "for s in (\"TERM\", \"INT\", \"KILL\", \"HUP\", \"PIPE\", \"SEGV\"):\n"
                    "    print(subprocess.run([\"borg\", \"--log-json\", s]).returncode)\n"
                    "'");
    assert_string_equal(buf_str(&t.out), "-15\n-2\n-9\n-1\n-13\n-11\n");
    assert_int_equal(t.exit_signals[0], SIGTERM);
    assert_int_equal(t.exit_codes[0], 128 + SIGTERM);
    case_done(&t);
}

static void a_lingering_grandchild_does_not_hold_up_the_end(void **state)
{
    struct control_case t;
    open_fake(&t, "#!/bin/sh\n(sleep 30 & echo $! >$R/pid) \necho last >&2\n");
    uint64_t from = uv_hrtime();
    case_script(&t, "borg list r; kill $(cat $R/pid)");
    assert_true(uv_hrtime() - from < 10000000000ULL);
    assert_string_equal(buf_str(&t.err), "last\n");
    case_done(&t);
}

static const char env_borg[] =
    "#!/bin/sh\n"
    "env | grep BORG_PASS | sort\n"
    "[ -n \"$BORG_PASSPHRASE_FD\" ] && eval cat \"<&$BORG_PASSPHRASE_FD\"\n"
    "echo\n"
    "ls -l /proc/self/fd | grep -c 'pipe\\|/file'\n";

static void inherited_descriptors_and_the_configs_passphrase_survive(void **state)
{
    struct control_case t;
    open_fake(&t, "#!/bin/sh\ncat <&5; cat <&$BORG_PASSPHRASE_FD; echo $BORG_PASSPHRASE\n");
    case_script(&t, "echo five >$R/5; echo seven | BORG_PASSPHRASE=config BORG_PASSPHRASE_FD=7 "
                    "borg list r 5<$R/5 7<&0");
    assert_string_equal(buf_str(&t.out), "five\nseven\nconfig\n");
    case_done(&t);
}

static void the_callers_passphrase_takes_the_place_of_every_other(void **state)
{
    struct control_case t;
    case_init(&t, NULL);
    case_write(&t, "fake", env_borg, 0755);
    (void)snprintf(fake_path, sizeof fake_path, "%s/fake", t.root);
    struct secret *secret = secret_new("callers", 7);
    t.spec.borg = fake_path;
    t.spec.borg_passphrase = secret;
    case_open(&t);
    case_script(&t, "echo config | BORG_PASSPHRASE=config BORG_PASSCOMMAND='echo config' "
                    "BORG_PASSPHRASE_FD=7 borg list r 7<&0");
    const char *out = buf_str(&t.out);
    assert_memory_equal(out, "BORG_PASSPHRASE_FD=", 19);
    assert_non_null(strstr(out, "\ncallers\n"));
    assert_null(strstr(out, "config"));
    assert_null(strstr(out, "BORG_PASSPHRASE="));
    case_done(&t);
    secret_free(secret);
}

static void look_at_shim(struct control_case *t, const json_t *j)
{
    char path[64], line[256];
    pid_t shim = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)t->borg_pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "PPid:", 5) == 0)
            shim = (pid_t)strtol(line + 5, NULL, 10);
    (void)fclose(f);
    read_proc(shim, "environ", borg_environ, sizeof borg_environ);
}

static void a_passphrase_that_gave_way_is_wiped_from_the_shims_memory(void **state)
{
    struct control_case t;
    case_init(&t, NULL);
    case_write(&t, "fake", "#!/bin/sh\necho '{\"type\": \"x\"}' >&2; sleep 1\n", 0755);
    (void)snprintf(fake_path, sizeof fake_path, "%s/fake", t.root);
    struct secret *secret = secret_new("callers", 7);
    t.spec.borg = fake_path;
    t.spec.borg_passphrase = secret;
    t.message = look_at_shim;
    borg_environ[0] = '\0';
    case_open(&t);
    case_script(&t, "BORG_PASSPHRASE=of-the-config borg list r; true");
    assert_non_null(strstr(borg_environ, "BORGMATIC_API_CONTROL="));
    assert_null(strstr(borg_environ, "of-the-config"));
    case_done(&t);
    secret_free(secret);
}

static void forget_control(struct control_case *t)
{
    control_free(t->control);
    t->control = NULL;
    t->exits = t->starts; /* no callback follows */
}

static void borg_goes_on_when_the_daemon_is_gone(void **state)
{
    struct control_case t;
    case_init(&t, NULL);
    case_write(
        &t, "fake",
        "#!/bin/sh\nsleep 0.5\n"
        "i=0; while [ $i -lt 500 ]; do i=$((i+1))\n"
        "echo '{\"type\": \"log_message\", \"message\": \"line\", \"name\": \"\"}' >&2; done\n"
        "exit 9\n",
        0755);
    (void)snprintf(fake_path, sizeof fake_path, "%s/fake", t.root);
    t.spec.borg = fake_path;
    t.started = forget_control;
    case_open(&t);
    case_script(&t, "borg list r; exit $?");
    assert_int_equal(t.code, 9);
    assert_int_equal(t.err.n, 500 * 5);
    case_done(&t);
}

/* Keeps the loop from reading until the leader has written its file. */
static void look_away(struct control_case *t)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/done", t->root);
    for (int i = 0; access(path, F_OK) != 0; i++) {
        assert_true(i < 4000);
        (void)usleep(10000);
    }
}

static void borg_goes_on_when_the_daemon_does_not_read(void **state)
{
    struct control_case t;
    case_init(&t, NULL);
    case_write(&t, "fake",
               "#!/bin/sh\n"
               "head -c 3000000 /dev/zero | tr '\\0' x | fold -w 1000 >&2; echo >&2\n"
               "exit 9\n",
               0755);
    (void)snprintf(fake_path, sizeof fake_path, "%s/fake", t.root);
    t.spec.borg = fake_path;
    t.started = look_away;
    case_open(&t);
    case_script(&t, "borg list r 2>$R/err; code=$?; touch $R/done; wc -c <$R/err; exit $code");
    assert_int_equal(t.code, 9);
    assert_string_equal(buf_str(&t.out), "3003000\n");
    case_done(&t);
}

static void ssh_gets_our_options_behind_the_callers(void **state)
{
    struct control_case t;
    open_fake(&t, "#!/bin/sh\necho \"$BORG_RSH\"; echo \"$LC_ALL\"; echo \"$*\"\n");
    case_script(&t, "borg info r; BORG_RSH='/usr/bin/ssh -o ConnectTimeout=1' borg info r\n"
                    "BORG_RSH=/opt/wrapper borg --rsh 'ssh -p 1' info --rsh=other r");
#define OURS \
    " -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o IdentitiesOnly=yes" \
    " -o ServerAliveInterval=30 -o ServerAliveCountMax=3"
    assert_string_equal(buf_str(&t.out),
                        "ssh" OURS "\nC.UTF-8\n--log-json info r\n"
                        "/usr/bin/ssh -o ConnectTimeout=1" OURS "\nC.UTF-8\n--log-json info r\n"
                        "/opt/wrapper\nC.UTF-8\n--log-json --rsh ssh -p 1" OURS
                        " info --rsh=other r\n");
    case_done(&t);
}

/* ---- pure parts ---- */

static void the_command_line_gains_what_the_command_knows(void **state)
{
    static const struct {
        const char *in[8], *out[12];
        bool stats;
    } rows[] = {
        {{"borg", "create", "r::a", "x"},
         {"B", "--log-json", "--progress", "create", "--stats", "r::a", "x"},
         true},
        {{"borg", "--lock-wait", "5", "create", "-n", "r::a"},
         {"B", "--log-json", "--progress", "--lock-wait", "5", "create", "-n", "r::a"},
         false},
        {{"borg", "create", "--json", "r::a"},
         {"B", "--log-json", "--progress", "create", "--json", "r::a"},
         false},
        {{"borg", "create", "-sp", "--log-json", "r::a"},
         {"B", "create", "-sp", "--log-json", "r::a"},
         false},
        {{"borg", "create", "--", "--stats", "--dry-run"},
         {"B", "--log-json", "--progress", "create", "--stats", "--", "--stats", "--dry-run"},
         true},
        {{"borg", "create", "-C", "lz4", "r::a"},
         {"B", "--log-json", "--progress", "create", "--stats", "-C", "lz4", "r::a"},
         true},
        {{"borg", "prune", "--keep-daily", "7", "r"},
         {"B", "--log-json", "--progress", "prune", "--keep-daily", "7", "r"},
         false},
        {{"borg", "list", "r"}, {"B", "--log-json", "list", "r"}, false},
        {{"borg", "break-lock", "r"}, {"B", "--log-json", "break-lock", "r"}, false},
        {{"borg", "umount", "/m"}, {"B", "umount", "/m"}, false},
        {{"borg", "create", "--help"}, {"B", "create", "--help"}, false},
        {{"borg", "-h"}, {"B", "-h"}, false},
        {{"borg"}, {"B"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *in[8] = {0}, name[] = "B";
        struct shim_args a;
        for (size_t k = 0; k < 8 && rows[i].in[k]; k++)
            in[k] = mem_strdup(rows[i].in[k]);
        assert_true(shim_args_make(in, name, &a));
        size_t k = 0;
        for (; rows[i].out[k]; k++)
            assert_string_equal(a.argv[k] ? a.argv[k] : "(end)", rows[i].out[k]);
        assert_null(a.argv[k]);
        assert_int_equal(a.added_stats, rows[i].stats);
        shim_args_done(&a);
        for (k = 0; k < 8; k++)
            mem_free(in[k]);
    }
}

static void only_ssh_gets_ssh_options(void **state)
{
    static const struct {
        const char *rsh;
        bool ssh;
    } rows[] = {
        {NULL, true},
        {"", true},
        {"ssh", true},
        {"  ssh -v", true},
        {"'/a b/ssh' -v", true},
        {"\"ssh\"", true},
        {"sshpass ssh", false},
        {"/opt/ssh-wrapper", false},
        {"sudo ssh", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = shim_args_rsh(rows[i].rsh);
        assert_int_equal(got != NULL, rows[i].ssh);
        if (got)
            assert_non_null(strstr(got, " -o StrictHostKeyChecking=yes"));
        mem_free(got);
    }
}

struct sink {
    struct buf sent, emitted;
};

static void sink_send(void *arg, enum control_msg_type type, const char *p, size_t n, bool dropped)
{
    struct sink *k = arg;
    (void)buf_printf(&k->sent, "%c%s", type == CONTROL_JSON ? 'J' : 'T', dropped ? "?" : "");
    (void)buf_append(&k->sent, p, n);
    (void)buf_putc(&k->sent, '\n');
}

static void sink_emit(void *arg, const char *p, size_t n)
{
    struct sink *k = arg;
    (void)buf_append(&k->emitted, p, n);
}

static void open_lines(struct shim_lines *l, struct sink *k)
{
    buf_init(&k->sent, CASE_OUT);
    buf_init(&k->emitted, CASE_OUT);
    shim_lines_init(l);
    l->send = sink_send;
    l->emit = sink_emit;
    l->arg = k;
}

static void close_lines(struct shim_lines *l, struct sink *k)
{
    shim_lines_done(l);
    buf_done(&k->sent);
    buf_done(&k->emitted);
}

#define P(n) "{\"msgid\":\"m\",\"type\":\"progress_percent\",\"current\":" #n "}"

static void feed(struct shim_lines *l, const char *line, uint64_t now)
{
    shim_lines_feed(l, line, strlen(line), now);
    shim_lines_feed(l, "\n", 1, now);
}

static void what_progress_was_held_back_is_sent_when_its_time_has_come(void **state)
{
    struct shim_lines l;
    struct sink k;
    open_lines(&l, &k);
    assert_int_equal(shim_lines_due(&l, 1000), -1);
    feed(&l, P(1), 1000);
    feed(&l, P(2), 1010);
    feed(&l, P(3), 1020);
    assert_string_equal(buf_str(&k.sent), "J?" P(1) "\n");
    assert_int_equal(shim_lines_due(&l, 1030), 220);
    shim_lines_tick(&l, 1249);
    assert_string_equal(buf_str(&k.sent), "J?" P(1) "\n");
    assert_int_equal(shim_lines_due(&l, 1300), 0);
    shim_lines_tick(&l, 1250);
    assert_string_equal(buf_str(&k.sent), "J?" P(1) "\nJ?" P(3) "\n");
    assert_int_equal(shim_lines_due(&l, 1251), -1);
    feed(&l, P(4), 1260);
    feed(&l, "{\"msgid\":\"m\",\"type\":\"progress_percent\",\"finished\":true}", 1261);
    assert_non_null(strstr(buf_str(&k.sent), "\nJ?" P(4) "\nJ{\"msgid\""));
    close_lines(&l, &k);
}

static void more_kinds_of_progress_than_are_remembered_lose_nothing(void **state)
{
    struct shim_lines l;
    struct sink k;
    char line[128];
    open_lines(&l, &k);
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 3 * CONTROL_PROGRESS_IDS; i++) {
            (void)snprintf(line, sizeof line,
                           "{\"msgid\":\"m%u\",\"type\":\"progress_message\",\"round\":%d}", i,
                           round);
            feed(&l, line, 1000 + i);
        }
    shim_lines_end(&l, 1100);
    for (unsigned i = 0; i < 3 * CONTROL_PROGRESS_IDS; i++) {
        (void)snprintf(line, sizeof line,
                       "J?{\"msgid\":\"m%u\",\"type\":\"progress_message\",\"round\":1}\n", i);
        assert_non_null(strstr(buf_str(&k.sent), line));
    }
    close_lines(&l, &k);
}

static void lines_come_out_the_same_however_the_bytes_arrive(void **state)
{
    static const char text[] =
        "a\n\n{\"type\":\"log_message\",\"message\":\"m\"}\nb {\"x\" {\"type\":\"t\"}\n{\"\n{\"a\"}\nend";
    struct shim_lines l;
    struct sink whole, split;
    open_lines(&l, &whole);
    shim_lines_feed(&l, text, sizeof text - 1, 1);
    shim_lines_end(&l, 1);
    shim_lines_done(&l);
    open_lines(&l, &split);
    for (size_t i = 0; i < sizeof text - 1; i++)
        shim_lines_feed(&l, text + i, 1, 1);
    shim_lines_end(&l, 1);
    assert_string_equal(buf_str(&whole.sent), buf_str(&split.sent));
    assert_string_equal(buf_str(&whole.emitted), "a\n\nm\nb {\"x\" \n{\"\n{\"a\"}\nend\n");
    assert_string_equal(buf_str(&split.emitted), buf_str(&whole.emitted));
    close_lines(&l, &split);
    buf_done(&whole.sent);
    buf_done(&whole.emitted);
}

static void a_cut_does_not_halve_a_character(void **state)
{
    struct shim_lines l;
    struct sink k;
    open_lines(&l, &k);
    for (int i = 0; i < LIMIT_LINE; i++)
        shim_lines_feed(&l, i ? "\xc3\xa9" : "x", i ? 2 : 1, 1);
    shim_lines_feed(&l, "\n", 1, 1);
    assert_int_equal(k.emitted.n, LIMIT_LINE - 1 + 1);
    assert_int_equal((unsigned char)k.emitted.p[k.emitted.n - 2], 0xa9);
    close_lines(&l, &k);
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
        cmocka_unit_test(borgmatic_gets_the_text_that_borg_would_have_written),
        cmocka_unit_test(stats_are_hidden_only_when_they_were_our_wish),
        cmocka_unit_test(json_lines_stay_as_they_are_when_borgmatic_reads_them),
        cmocka_unit_test(progress_comes_at_a_pace_and_its_last_word_always),
        cmocka_unit_test(a_line_beyond_the_bound_is_cut_and_the_next_is_whole),
        cmocka_unit_test(the_shim_ends_as_borg_did),
        cmocka_unit_test(a_signal_that_killed_borg_kills_the_shim_too),
        cmocka_unit_test(a_lingering_grandchild_does_not_hold_up_the_end),
        cmocka_unit_test(inherited_descriptors_and_the_configs_passphrase_survive),
        cmocka_unit_test(the_callers_passphrase_takes_the_place_of_every_other),
        cmocka_unit_test(a_passphrase_that_gave_way_is_wiped_from_the_shims_memory),
        cmocka_unit_test(borg_goes_on_when_the_daemon_is_gone),
        cmocka_unit_test(borg_goes_on_when_the_daemon_does_not_read),
        cmocka_unit_test(ssh_gets_our_options_behind_the_callers),
        cmocka_unit_test(the_command_line_gains_what_the_command_knows),
        cmocka_unit_test(only_ssh_gets_ssh_options),
        cmocka_unit_test(what_progress_was_held_back_is_sent_when_its_time_has_come),
        cmocka_unit_test(more_kinds_of_progress_than_are_remembered_lose_nothing),
        cmocka_unit_test(lines_come_out_the_same_however_the_bytes_arrive),
        cmocka_unit_test(a_cut_does_not_halve_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
