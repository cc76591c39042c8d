#include "control_case.h"

#include "backup/control_dir.h"
#include "backup/control_link.h"
#include "backup/control_peer.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* A borg that says what it was given and ends with 7. */
static const char fake_borg[] = "#!/bin/sh\n"
                                "echo \"real $*\"\n"
                                "exit 7\n";

static char fake_path[128];

static void open_case(struct control_case *t, const char *script)
{
    case_init(t, NULL);
    case_write(t, "fake", script, 0755);
    (void)snprintf(fake_path, sizeof fake_path, "%s/fake", t->root);
    t->spec.borg = fake_path;
}

/* ---- who is believed ---- */

static void a_borg_that_borgmatic_starts_is_run_and_reported(void **state)
{
    struct control_case t;
    open_case(&t, fake_borg);
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
    open_case(&t, fake_borg);
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

static void more_peers_than_places_are_served_one_after_the_other(void **state)
{
    struct control_case t;
    uv_timer_t late;
    open_case(&t, "#!/bin/sh\nexit 0\n");
    t.spec.on_start = NULL;
    t.spec.on_exit = NULL;
    case_open(&t);
    t.late_leader = true;
    late.data = &t;
    assert_int_equal(uv_timer_init(&t.loop, &late), 0);
    assert_int_equal(uv_timer_start(&late, case_on_late, 500, 0), 0);
    case_script(&t, "i=0; while [ $i -lt 40 ]; do borg info & i=$((i+1)); done; wait; exit 5");
    assert_int_equal(t.code, 5);
    case_done(&t);
}

static void a_borg_further_down_gets_the_real_one_untouched(void **state)
{
    struct control_case t;
    open_case(&t, fake_borg);
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
    open_case(&t, fake_borg);
    t.spec.record = true;
    case_open(&t);
    case_script(&t, "borg --version; borg --info -V; exit 0");
    assert_int_equal(t.starts, 0);
    assert_string_equal(buf_str(&t.out), "real --version\nreal --info -V\n");
    case_done(&t);
}

static void a_stranger_is_sent_away_without_a_word(void **state)
{
    struct control_case t;
    open_case(&t, fake_borg);
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
    open_case(&t, fake_borg);
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
    open_case(&t, fake_borg);
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
    open_case(&t, fake_borg);
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
    open_case(&t, fake_borg);
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
    open_case(&t, patient_borg);
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
    open_case(&t, patient_borg);
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
    open_case(&t, patient_borg);
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

/* ---- the protocol, spoken by this very process ---- */

struct talk {
    struct control_case t;
    struct control_link link;
};

static void open_talk(struct talk *k)
{
    open_case(&k->t, fake_borg);
    case_open(&k->t);
    char name[600];
    (void)snprintf(name, sizeof name, "%s/s", control_dir(k->t.control));
    assert_int_equal(setenv("BORGMATIC_API_CONTROL", name, 1), 0);
    control_set_leader(k->t.control, getppid()); /* our parent: we are its borg */
    assert_true(control_link_open(&k->link));
}

static void turn(struct talk *k)
{
    for (int i = 0; i < 5; i++)
        (void)uv_run(&k->t.loop, UV_RUN_NOWAIT);
}

static void say(struct talk *k, const char *bytes, size_t n)
{
    assert_int_equal(send(k->link.fd, bytes, n, MSG_NOSIGNAL), n);
    turn(k);
}

static bool is_closed(struct talk *k)
{
    char c[CONTROL_MSG];
    ssize_t n;
    while ((n = recv(k->link.fd, c, sizeof c, MSG_DONTWAIT)) > 0)
        ;
    return n == 0;
}

static void close_talk(struct talk *k)
{
    control_link_close(&k->link);
    turn(k);
    case_done(&k->t);
}

#define SAY(k, text) say(k, text, sizeof(text) - 1)

static void whoever_breaks_the_protocol_is_sent_away(void **state)
{
    static const struct {
        const char *first, *second;
        size_t n, m;
    } bad[] = {
#define BAD(a, b) {a, b, sizeof(a) - 1, sizeof(b) - 1}
        BAD("\xff", ""),                            /* no message */
        BAD("\x05\1\0\0\0", ""),                    /* started before hello */
        BAD("\x03{}", ""),                          /* a line before hello */
        BAD("\x04x", ""),                           /* text before hello */
        BAD("\x06\0\0\0\0\0\0\0\0", ""),            /* an end before hello */
        BAD("\x07\0", ""),                          /* environment out of record mode */
        BAD("\x08p", ""),                           /* a secret likewise */
        BAD("\x02\1\0", ""),                        /* an answer to the daemon */
        BAD("\x01\1\1a\0", "\x01\2\0b\0"),          /* two kinds in one hello */
        BAD("\x01\1\0a\0", "\x01\1\0a\0"),          /* two hellos */
        BAD("\x01\1\0a\0", "\x07\0"),               /* environment in run mode */
        BAD("\x01\1\0a\0", "\x08p"),                /* a secret in run mode */
        BAD("\x01\1\0a\0", "\x06\0\0\0\0\0\0\0\0"), /* an end without a start */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct talk k;
        open_talk(&k);
        say(&k, bad[i].first, bad[i].n);
        if (bad[i].m) {
            assert_false(is_closed(&k));
            say(&k, bad[i].second, bad[i].m);
        }
        if (!is_closed(&k))
            fail_msg("row %zu was borne", i);
        assert_int_equal(k.t.starts, 0);
        close_talk(&k);
    }
}

static void lines_are_messages_or_text_and_a_vanished_peer_was_killed(void **state)
{
    struct talk k;
    open_talk(&k);
    SAY(&k, "\x01\1\0borg\0create\0");
    struct control_orders o;
    assert_true(control_link_orders(&k.link, &o));
    assert_int_equal(o.mode, CONTROL_RUN);
    assert_int_equal(o.fd, -1);
    assert_string_equal(o.borg, fake_path);
    SAY(&k, "\x05\1\0\0\0");
    assert_int_equal(k.t.starts, 1);
    SAY(&k, "\x03{\"type\": \"log_message\", \"message\": \"m\"}");
    SAY(&k, "\x03{broken");
    SAY(&k, "\x03[1]");
    SAY(&k, "\x04some text");
    assert_int_equal(json_array_size(k.t.messages), 1);
    assert_string_equal(buf_str(&k.t.texts), "{broken\n[1]\nsome text\n");
    control_link_close(&k.link);
    turn(&k);
    assert_int_equal(k.t.exits, 1);
    assert_int_equal(k.t.exit_signals[0], SIGKILL);
    close_talk(&k);
}

static void free_in_callback(void *arg, const struct control_run *run, const json_t *message)
{
    struct control_case *t = arg;
    control_free(t->control);
    t->control = NULL;
    assert_string_equal(run->argv[0], "borg");
}

static void the_control_may_be_freed_from_its_own_callback(void **state)
{
    struct talk k;
    open_case(&k.t, fake_borg);
    k.t.spec.on_message = free_in_callback;
    case_open(&k.t);
    char name[700], dir[600];
    (void)snprintf(dir, sizeof dir, "%s", control_dir(k.t.control));
    (void)snprintf(name, sizeof name, "%s/s", dir);
    assert_int_equal(setenv("BORGMATIC_API_CONTROL", name, 1), 0);
    control_set_leader(k.t.control, getppid());
    assert_true(control_link_open(&k.link));
    SAY(&k, "\x01\1\0borg\0create\0");
    SAY(&k, "\x05\1\0\0\0");
    SAY(&k, "\x03{\"type\": \"x\"}");
    assert_true(is_closed(&k));
    assert_int_equal(k.t.exits, 0);
    assert_int_equal(access(dir, F_OK), -1);
    close_talk(&k);
}

static void the_passphrase_comes_through_a_pipe_of_its_own(void **state)
{
    struct talk k;
    open_case(&k.t, fake_borg);
    struct secret *s = secret_new("p w\xc3\xa9", 5);
    k.t.spec.borg_passphrase = s;
    case_open(&k.t);
    char name[600], got[64];
    (void)snprintf(name, sizeof name, "%s/s", control_dir(k.t.control));
    assert_int_equal(setenv("BORGMATIC_API_CONTROL", name, 1), 0);
    control_set_leader(k.t.control, getppid());
    for (int i = 0; i < 3; i++) {
        struct control_orders o;
        assert_true(control_link_open(&k.link));
        SAY(&k, "\x01\1\0borg\0");
        assert_true(control_link_orders(&k.link, &o));
        assert_true(o.fd >= 3);
        assert_int_equal(fcntl(o.fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(read(o.fd, got, sizeof got), 5);
        assert_memory_equal(got, "p w\xc3\xa9", 5);
        assert_int_equal(read(o.fd, got, sizeof got), 0);
        (void)close(o.fd);
        control_link_close(&k.link);
        turn(&k);
    }
    close_talk(&k);
    secret_free(s);
}

static void a_passphrase_beyond_the_bound_is_refused(void **state)
{
    static char long_one[LIMIT_SECRET + 1];
    struct control_case t;
    struct err e = {0};
    open_case(&t, fake_borg);
    memset(long_one, 'x', sizeof long_one);
    struct secret *s = secret_new(long_one, sizeof long_one);
    t.spec.ssh_passphrase = s;
    t.spec.state_dir = t.state;
    assert_null(control_new(&t.loop, &t.spec, &e));
    assert_int_equal(e.code, ERR_INVALID_SECRETS);
    t.spec.ssh_passphrase = NULL;
    t.spec.state_dir = "/proc/nowhere";
    assert_null(control_new(&t.loop, &t.spec, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    case_done(&t);
    secret_free(s);
}

/* ---- askpass ---- */

static void only_the_question_for_the_key_is_answered(void **state)
{
    static const char key[] = "/root/.ssh/id_x";
    assert_true(control_peer_prompt("Enter passphrase for key '/root/.ssh/id_x': ", key));
    assert_true(control_peer_prompt("Enter passphrase for key '/root/.ssh/id_y': ", NULL));
    assert_false(control_peer_prompt("Enter passphrase for key '/root/.ssh/id_y': ", key));
    assert_false(control_peer_prompt("Enter passphrase for key '/root/.ssh/id_xy': ", key));
    assert_false(control_peer_prompt("Are you sure you want to continue connecting "
                                     "(yes/no/[fingerprint])? ",
                                     NULL));
    assert_false(control_peer_prompt("root@host's password: ", NULL));
    assert_false(control_peer_prompt("", NULL));
    char longer[200] = "/", prompt[200];
    memset(longer + 1, 'k', 150);
    (void)snprintf(prompt, sizeof prompt, "Enter passphrase for key '%.100s': ", longer);
    assert_true(control_peer_prompt(prompt, longer));
}

/* $R/ssh is a shell by the name of ssh. */
static void askpass_answers_once_an_ssh_below_a_borg(void **state)
{
    struct control_case t;
    struct secret *s = secret_new("key phrase", 10);
    open_case(&t, "#!/bin/sh\n"
                  "cp /bin/dash $R/ssh\n"
                  "$R/ssh -c 'askpass \"Are you sure (yes/no)? \"; echo a$?\n"
                  "askpass \"Enter passphrase for key /k: \"; echo b$?\n"
                  "askpass \"Enter passphrase for key /k: \"; echo c$?'\n"
                  "$R/ssh -c 'askpass \"Enter passphrase for key /k: \"; echo d$?'\n"
                  "askpass \"Enter passphrase for key /k: \"; echo e$?\n"
                  "$R/ssh -c 'askpass; echo f$?'\n");
    t.spec.ssh_passphrase = s;
    case_open(&t);
    case_script(&t, "borg list; sh -c '$R/ssh -c \"askpass \\\"Enter passphrase for key /k: \\\"\n"
                    "echo g\\$?\"; true'; env | grep SSH_");
    assert_non_null(
        strstr(buf_str(&t.out), "a1\nkey phrase\nb0\nc1\nkey phrase\nd0\ne1\nf1\ng1\n"));
    assert_non_null(strstr(buf_str(&t.out), "SSH_ASKPASS_REQUIRE=force\n"));
    assert_non_null(strstr(buf_str(&t.out), "/bin/askpass\n"));
    case_done(&t);
    secret_free(s);
}

static void askpass_answers_an_ssh_that_is_the_job_itself(void **state)
{
    struct control_case t;
    struct secret *s = secret_new("key phrase", 10);
    open_case(&t, fake_borg);
    t.spec.ssh_passphrase = s;
    t.spec.ssh_key = "/k";
    case_open(&t);
    case_script(&t, "cp /bin/dash $R/ssh; exec $R/ssh -c 'askpass \"Enter passphrase for key "
                    "'\\''/k'\\'': \"; echo $?'");
    assert_string_equal(buf_str(&t.out), "key phrase\n0\n");
    case_done(&t);
    secret_free(s);
}

static void without_a_passphrase_askpass_is_not_offered_and_refuses(void **state)
{
    struct control_case t;
    open_case(&t, fake_borg);
    case_open(&t);
    case_script(&t, "cp /bin/dash $R/ssh; env | grep SSH_; exec $R/ssh -c 'askpass \"Enter "
                    "passphrase for key /k: \"; echo $?'");
    assert_string_equal(buf_str(&t.out), "1\n");
    case_done(&t);
}

/* ---- what is left on disk ---- */

static unsigned found;

static void on_evidence(void *arg, const char *repository, const char *archive, const char *id,
                        int exit_code)
{
    found++;
    assert_string_equal(repository, "/r");
    assert_string_equal(archive, "a \"quoted\" name");
    assert_string_equal(id, "abc");
    assert_int_equal(exit_code, 1);
}

static void evidence_is_read_back_and_half_files_are_not(void **state)
{
    struct control_case t;
    open_case(&t, fake_borg);
    struct control_evidence ev = {
        .repository = "/r", .archive = "a \"quoted\" name", .id = "abc", .exit_code = 1};
    assert_true(control_dir_write_evidence(t.root, 4711, &ev));
    assert_false(control_dir_write_evidence("/proc/nowhere", 4711, &ev));
    case_write(&t, "evidence-1.json", "{\"archive\": \"x\", \"id\": \"y\"", 0600);
    case_write(&t, "evidence-2.json", "{\"archive\": \"x\", \"id\": \"y\", \"finished\": false}",
               0600);
    case_write(&t, "tmp-3", "{\"archive\": \"x\", \"id\": \"y\", \"finished\": true}", 0600);
    found = 0;
    control_evidence(t.root, on_evidence, NULL);
    assert_int_equal(found, 1);
    control_evidence("/proc/nowhere", on_evidence, NULL);
    assert_int_equal(found, 1);
    case_done(&t);
}

static bool exists(const struct control_case *t, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", t->root, name);
    return access(path, F_OK) == 0;
}

static void a_sweep_removes_what_a_former_life_left_and_nothing_else(void **state)
{
    struct control_case t;
    open_case(&t, fake_borg);
    char *one = control_dir_make(t.root, NULL);
    assert_non_null(one);
    struct stat st;
    assert_int_equal(stat(one, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    struct control_evidence ev = {.repository = "/r", .archive = "a", .id = "i"};
    assert_true(control_dir_write_evidence(one, 1, &ev));
    case_write(&t, "keep", "x", 0600);
    char link[700];
    (void)snprintf(link, sizeof link, "%s/link", one);
    assert_int_equal(symlink(t.root, link), 0);
    control_sweep(t.root);
    assert_int_equal(access(one, F_OK), -1);
    assert_true(exists(&t, "keep"));
    assert_true(exists(&t, "run"));
    control_sweep("/proc/nowhere");
    mem_free(one);
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
        cmocka_unit_test(a_stranger_is_sent_away_without_a_word),
        cmocka_unit_test(without_its_socket_the_shim_is_the_real_borg),
        cmocka_unit_test(a_state_directory_longer_than_a_socket_address_will_do),
        cmocka_unit_test(recording_notes_argv_environment_and_passphrase_and_runs_nothing),
        cmocka_unit_test(an_argv_of_many_datagrams_comes_whole),
        cmocka_unit_test(a_signal_reaches_borg_alone_and_no_other_borg_is_started_after_it),
        cmocka_unit_test(a_signal_of_the_group_reaches_borg_once_and_the_shim_stays),
        cmocka_unit_test(a_killed_shim_takes_borg_with_it_and_is_reported_as_killed),
        cmocka_unit_test(whoever_breaks_the_protocol_is_sent_away),
        cmocka_unit_test(lines_are_messages_or_text_and_a_vanished_peer_was_killed),
        cmocka_unit_test(the_control_may_be_freed_from_its_own_callback),
        cmocka_unit_test(the_passphrase_comes_through_a_pipe_of_its_own),
        cmocka_unit_test(a_passphrase_beyond_the_bound_is_refused),
        cmocka_unit_test(only_the_question_for_the_key_is_answered),
        cmocka_unit_test(askpass_answers_once_an_ssh_below_a_borg),
        cmocka_unit_test(askpass_answers_an_ssh_that_is_the_job_itself),
        cmocka_unit_test(without_a_passphrase_askpass_is_not_offered_and_refuses),
        cmocka_unit_test(evidence_is_read_back_and_half_files_are_not),
        cmocka_unit_test(a_sweep_removes_what_a_former_life_left_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
