#include "control_case.h"

#include "limits.h"

static char shim_environ[16384];

static void open_fake(struct control_case *t, const char *script)
{
    case_init_fake(t, script);
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
    case_init_fake(&t, env_borg);
    struct secret *secret = secret_new("callers", 7);
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
    case_read_proc(shim, "environ", shim_environ, sizeof shim_environ);
}

static void a_passphrase_that_gave_way_is_wiped_from_the_shims_memory(void **state)
{
    struct control_case t;
    case_init_fake(&t, "#!/bin/sh\necho '{\"type\": \"x\"}' >&2; sleep 1\n");
    struct secret *secret = secret_new("callers", 7);
    t.spec.borg_passphrase = secret;
    t.message = look_at_shim;
    shim_environ[0] = '\0';
    case_open(&t);
    case_script(&t, "BORG_PASSPHRASE=of-the-config borg list r; true");
    assert_non_null(strstr(shim_environ, "BORGMATIC_API_CONTROL="));
    assert_null(strstr(shim_environ, "of-the-config"));
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
    case_init_fake(
        &t, "#!/bin/sh\nsleep 0.5\n"
            "i=0; while [ $i -lt 500 ]; do i=$((i+1))\n"
            "echo '{\"type\": \"log_message\", \"message\": \"line\", \"name\": \"\"}' >&2; done\n"
            "exit 9\n");
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
    case_init_fake(&t, "#!/bin/sh\n"
                       "head -c 3000000 /dev/zero | tr '\\0' x | fold -w 1000 >&2; echo >&2\n"
                       "exit 9\n");
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
    " -o UpdateHostKeys=no -o PasswordAuthentication=no" \
    " -o KbdInteractiveAuthentication=no" \
    " -o ServerAliveInterval=30 -o ServerAliveCountMax=3"
    assert_string_equal(buf_str(&t.out),
                        "ssh" OURS "\nC.UTF-8\n--log-json info r\n"
                        "/usr/bin/ssh -o ConnectTimeout=1" OURS "\nC.UTF-8\n--log-json info r\n"
                        "/opt/wrapper\nC.UTF-8\n--log-json --rsh ssh -p 1" OURS
                        " info --rsh=other r\n");
    case_done(&t);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
