#include "control_case.h"

#include <sys/stat.h>
#include <sys/un.h>

/* ---- who is believed ---- */

static void a_borg_that_borgmatic_starts_is_run_and_reported(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    case_open(&t);
    case_script(&t, "borg create a b; exit $?");
    assert_int_equal(t.starts, 1);
    assert_string_equal(t.commands[0], "borg create a b");
    assert_int_equal(t.exit_codes[0], 7);
    assert_int_equal(t.code, 7);
    case_done(&t);
}

static void peers_wait_until_the_leader_is_known(void **state)
{
    struct control_case t;
    uv_timer_t late;
    case_init_fake(&t, FAKE_BORG);
    case_open(&t);
    t.late_leader = true;
    late.data = &t;
    assert_int_equal(uv_timer_init(&t.loop, &late), 0);
    assert_int_equal(uv_timer_start(&late, case_on_late, 300, 0), 0);
    case_script(&t, "borg list; exit $?");
    assert_int_equal(t.starts, 1);
    assert_int_equal(t.code, 7);
    case_done(&t);
}

static void count_exit(void *arg, const struct control_run *run, int code, int signal)
{
    struct control_case *t = arg;
    t->exits++;
}

static void more_peers_than_places_are_served_one_after_the_other(void **state)
{
    struct control_case t;
    uv_timer_t late;
    case_init_fake(&t, "#!/bin/sh\nexit 0\n");
    t.spec.on_start = NULL;
    t.spec.on_exit = count_exit;
    case_open(&t);
    t.late_leader = true;
    late.data = &t;
    assert_int_equal(uv_timer_init(&t.loop, &late), 0);
    assert_int_equal(uv_timer_start(&late, case_on_late, 500, 0), 0);
    case_script(&t, "i=0; while [ $i -lt 40 ]; do borg info & i=$((i+1)); done; wait; exit 5");
    assert_int_equal(t.code, 5);
    assert_int_equal(t.exits, 40);
    case_done(&t);
}

static void a_borg_further_down_gets_the_real_one_untouched(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    case_open(&t);
    case_script(&t, "sh -c 'borg create x; exit $?'; exit $?");
    assert_int_equal(t.starts, 0);
    assert_string_equal(buf_str(&t.out), "real create x\n");
    assert_int_equal(t.code, 7);
    case_done(&t);
}

static void the_version_is_asked_of_the_real_borg(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    t.spec.record = true;
    case_open(&t);
    case_script(&t, "borg --version; borg --info -V; exit 0");
    assert_int_equal(t.starts, 0);
    assert_string_equal(buf_str(&t.out), "real --version\nreal --info -V\n");
    case_done(&t);
}

static void the_version_is_known_until_the_program_changes(void **state)
{
    struct control_case t;
    struct stat st;
    char said[96];
    case_init_fake(&t, FAKE_BORG);
    assert_int_equal(stat(t.fake, &st), 0);
    (void)snprintf(said, sizeof said, "%lld.%09ld borg 1.2.3", (long long)st.st_mtim.tv_sec,
                   st.st_mtim.tv_nsec);
    t.spec.borg_said = said;
    case_open(&t);
    case_script(&t, "borg --version; borg --version create; touch $R/fake; borg --version; exit 0");
    assert_int_equal(t.starts, 0);
    assert_string_equal(buf_str(&t.out), "borg 1.2.3\nreal --version create\nreal --version\n");
    case_done(&t);
}

static void a_stranger_is_sent_away_without_a_word(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    t.spec.borg_passphrase = secret_new("hidden", 6);
    case_open(&t);
    case_script(&t, "exec python3 -c '\n"
                    "import os, socket\n"
                    "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                    "s.connect(os.environ[\"BORGMATIC_API_CONTROL\"])\n"
                    "try:\n"
                    "    s.send(b\"\\1\\1\\0borg\\0\")\n"
                    "    print(\"got\", s.recv(100))\n"
                    "except OSError as e:\n"
                    "    print(\"refused\", e.errno)\n"
                    "'");
    assert_int_equal(t.code, 0);
    assert_int_equal(t.starts, 0);
    assert_null(strstr(buf_str(&t.out), "fake"));
    assert_true(strncmp(buf_str(&t.out), "refused", 7) == 0 ||
                strcmp(buf_str(&t.out), "got b''\n") == 0);
    case_done(&t);
    struct secret *s = (struct secret *)(uintptr_t)t.spec.borg_passphrase;
    secret_free(s);
}

static void without_its_socket_the_shim_is_the_real_borg(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    case_open(&t);
    case_script(&t, "p=${BORGMATIC_API_CONTROL%/s}\n"
                    "mkdir $R/other; cp $R/fake $R/other/borg\n"
                    "BORGMATIC_API_CONTROL=/nowhere/s borg one\n"
                    "BORGMATIC_API_CONTROL=x borg two\n"
                    "unset BORGMATIC_API_CONTROL; borg three\n"
                    "PATH=$p/bin:$R/other:/bin; unset BORGMATIC_API_BORG; borg four\n"
                    "BORGMATIC_API_BORG=$p/bin/borg borg five\n"
                    "PATH=$p/bin; borg six; exit $?");
    assert_string_equal(buf_str(&t.out), "real one\nreal two\nreal three\nreal four\nreal five\n");
    assert_string_equal(buf_str(&t.err), "borg: no borg is installed\n");
    assert_int_equal(t.code, 127);
    assert_int_equal(t.starts, 0);
    case_done(&t);
}

static void a_state_directory_longer_than_a_socket_address_will_do(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(t.state);
        (void)snprintf(t.state + n, sizeof t.state - n, "/%060d", i);
        assert_int_equal(mkdir(t.state, 0700), 0);
    }
    case_open(&t);
    assert_true(strlen(control_dir(t.control)) > sizeof(((struct sockaddr_un *)0)->sun_path));
    case_script(&t, "borg create a; exit $?");
    assert_int_equal(t.starts, 1);
    case_done(&t);
}

/* ---- record mode ---- */

static void recording_notes_argv_environment_and_passphrase_and_runs_nothing(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    t.spec.record = true;
    case_open(&t);
    case_script(&t, "export BORG_RSH='ssh -i k' BORG_RELOCATED_REPO_ACCESS_IS_OK=no OTHER=1\n"
                    "BORG_PASSPHRASE='a secret' borg list --lock-wait 5 --json ssh://h/r\n"
                    "printf 'from a pipe\\n' | BORG_PASSPHRASE_FD=3 borg list /r 3<&0\n"
                    "BORG_PASSCOMMAND='touch ran' borg list --json /r::a");
    assert_int_equal(t.starts, 3);
    assert_int_equal(t.exits, 3);
    assert_string_equal(t.commands[0], "borg list --lock-wait 5 --json ssh://h/r");
    assert_string_equal(t.passphrases[0], "a secret");
    assert_string_equal(t.passphrases[1], "from a pipe");
    assert_string_equal(t.passphrases[2], "(none)");
    assert_non_null(strstr(t.envs[0], "BORG_RSH=ssh -i k\n"));
    assert_non_null(strstr(t.envs[0], "BORG_RELOCATED_REPO_ACCESS_IS_OK=no\n"));
    assert_null(strstr(t.envs[0], "secret"));
    assert_null(strstr(t.envs[1], "PASSPHRASE_FD"));
    assert_null(strstr(t.envs[0], "OTHER"));
    assert_non_null(strstr(t.envs[2], "BORG_PASSCOMMAND=touch ran\n"));
    assert_null(strstr(buf_str(&t.out), "real"));
    char *second = strchr(buf_str(&t.out), '\n');
    assert_non_null(second);
    *second = '\0';
    json_t *j = json_loads(buf_str(&t.out), 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_array_size(json_object_get(j, "archives")), 0);
    assert_true(json_is_array(json_object_get(j, "archives")));
    const json_t *repository = json_object_get(j, "repository");
    assert_string_equal(json_string_value(json_object_get(repository, "location")), "ssh://h/r");
    json_decref(j);
    assert_non_null(strstr(second + 1, "\"location\":\"/r\""));
    assert_int_equal(t.code, 0);
    case_done(&t);
}

static void on_long_start(void *arg, const struct control_run *run)
{
    size_t n = 0;
    while (run->argv[n])
        n++;
    assert_int_equal(n, 3 + 1500);
    assert_string_equal(run->argv[2], "r::a");
    assert_non_null(strstr(run->argv[n - 1], "/datagram/1499"));
}

static void an_argv_of_many_datagrams_comes_whole(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    t.spec.record = true;
    t.spec.on_start = on_long_start;
    case_open(&t);
    case_script(&t, "set --; i=0; while [ $i -lt 1500 ]; do set -- \"$@\" "
                    "/a/directory/with/a/long/name/so/that/it/takes/more/than/one/datagram/$i\n"
                    "i=$((i+1)); done; borg create r::a \"$@\"");
    assert_int_equal(t.code, 0);
    assert_int_equal(t.exits, 1);
    case_done(&t);
}

/* ---- signals ---- */

static const char patient_borg[] = "#!/bin/sh\n"
                                   "trap 'echo int; exit 3' INT\n"
                                   "trap 'echo term; touch $R/termed; exit 4' TERM\n"
                                   "echo '{\"type\": \"ready\"}' >&2\n"
                                   "while :; do sleep 0.05; done\n";

static void interrupt(struct control_case *t, const json_t *j)
{
    assert_int_equal(control_signal_borg(t->control, SIGINT), 1);
}

static void a_signal_reaches_borg_alone_and_no_other_borg_is_started_after_it(void **state)
{
    struct control_case t;
    case_init_fake(&t, patient_borg);
    t.message = interrupt;
    case_open(&t);
    case_script(&t, "borg create a; echo $?; borg prune a; echo $?");
    assert_string_equal(buf_str(&t.out), "int\n3\n2\n");
    assert_int_equal(t.starts, 1);
    assert_int_equal(t.exit_codes[0], 3);
    assert_int_equal(control_signal_borg(t.control, SIGINT), 0);
    case_done(&t);
}

static void a_signal_of_the_group_reaches_borg_once_and_the_shim_stays(void **state)
{
    struct control_case t;
    case_init_fake(&t, patient_borg);
    case_open(&t);
    case_script(&t, "trap : TERM; (sleep 0.5; kill -TERM 0) & borg create a; echo $?");
    assert_string_equal(buf_str(&t.out), "term\n4\n");
    assert_int_equal(t.exit_codes[0], 4);
    assert_int_equal(t.exit_signals[0], 0);
    case_done(&t);
}

static void kill_shim(struct control_case *t, const json_t *j)
{
    char path[64], line[512] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)t->borg_pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) && strncmp(line, "PPid:", 5) != 0)
        ;
    (void)fclose(f);
    assert_int_equal(kill((pid_t)strtol(line + 5, NULL, 10), SIGKILL), 0);
}

static void a_killed_shim_takes_borg_with_it_and_is_reported_as_killed(void **state)
{
    struct control_case t;
    case_init_fake(&t, patient_borg);
    t.message = kill_shim;
    case_open(&t);
    case_script(&t, "borg create a; echo $?; i=0\n"
                    "while [ ! -e $R/termed ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done\n"
                    "[ -e $R/termed ] && echo gone");
    assert_non_null(strstr(buf_str(&t.out), "gone\n"));
    assert_non_null(strstr(buf_str(&t.out), "137\n"));
    assert_int_equal(t.exit_codes[0], 128 + SIGKILL);
    assert_int_equal(t.exit_signals[0], SIGKILL);
    case_done(&t);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_borg_that_borgmatic_starts_is_run_and_reported),
        cmocka_unit_test(peers_wait_until_the_leader_is_known),
        cmocka_unit_test(more_peers_than_places_are_served_one_after_the_other),
        cmocka_unit_test(a_borg_further_down_gets_the_real_one_untouched),
        cmocka_unit_test(the_version_is_asked_of_the_real_borg),
        cmocka_unit_test(the_version_is_known_until_the_program_changes),
        cmocka_unit_test(a_stranger_is_sent_away_without_a_word),
        cmocka_unit_test(without_its_socket_the_shim_is_the_real_borg),
        cmocka_unit_test(a_state_directory_longer_than_a_socket_address_will_do),
        cmocka_unit_test(recording_notes_argv_environment_and_passphrase_and_runs_nothing),
        cmocka_unit_test(an_argv_of_many_datagrams_comes_whole),
        cmocka_unit_test(a_signal_reaches_borg_alone_and_no_other_borg_is_started_after_it),
        cmocka_unit_test(a_signal_of_the_group_reaches_borg_once_and_the_shim_stays),
        cmocka_unit_test(a_killed_shim_takes_borg_with_it_and_is_reported_as_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
