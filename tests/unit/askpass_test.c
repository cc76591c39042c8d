#include "control_case.h"

#include "backup/control/control_peer.h"

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

static void only_the_questions_for_a_new_key_count_as_such(void **state)
{
    assert_int_equal(control_peer_new_key_prompt("Enter passphrase (empty for no passphrase): "),
                     1);
    assert_int_equal(
        control_peer_new_key_prompt("Enter passphrase for \"/k\" (empty for no passphrase): "),
        1); /* since OpenSSH 9.9 */
    assert_int_equal(control_peer_new_key_prompt("Enter same passphrase again: "), 2);
    static const char *const others[] = {"",
                                         "Enter passphrase for key '/k': ",
                                         "Overwrite (y/n)? ",
                                         "Enter old passphrase: ",
                                         "root@h's password: ",
                                         "Enter new passphrase (empty for no passphrase): "};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(control_peer_new_key_prompt(others[i]), 0);
}

/* A shell by the name of ssh-keygen, and by another. */
static void
each_question_of_ssh_keygen_is_answered_once_and_only_in_a_job_that_makes_a_key(void **state)
{
    static const struct {
        const char *program;
        bool new_key;
        const char *said;
    } rows[] = {{"ssh-keygen", true, "key phrase\n0\nkey phrase\n0\n1\n1\n"},
                {"ssh-keygen", false, "1\n1\n1\n1\n"},
                {"ssh", true, "1\n1\n1\n1\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct control_case t;
        char script[512];
        struct secret *s = secret_new("key phrase", 10);
        case_init_fake(&t, FAKE_BORG);
        t.spec.ssh_passphrase = s;
        t.spec.new_key = rows[i].new_key;
        case_open(&t);
        (void)snprintf(script, sizeof script,
                       "cp /bin/dash $R/%s; exec $R/%s -c '"
                       "askpass \"Enter passphrase (empty for no passphrase): \"; echo $?; "
                       "askpass \"Enter same passphrase again: \"; echo $?; "
                       "askpass \"Enter passphrase (empty for no passphrase): \"; echo $?; "
                       "askpass \"Enter passphrase for old key: \"; echo $?'",
                       rows[i].program, rows[i].program);
        case_script(&t, script);
        assert_string_equal(buf_str(&t.out), rows[i].said);
        case_done(&t);
        secret_free(s);
    }
}

/* $R/ssh is a shell by the name of ssh. */
static void askpass_answers_once_an_ssh_below_a_borg(void **state)
{
    struct control_case t;
    struct secret *s = secret_new("key phrase", 10);
    case_init_fake(&t, "#!/bin/sh\n"
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
    case_init_fake(&t, FAKE_BORG);
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
    case_init_fake(&t, FAKE_BORG);
    case_open(&t);
    case_script(&t, "cp /bin/dash $R/ssh; env | grep SSH_; exec $R/ssh -c 'askpass \"Enter "
                    "passphrase for key /k: \"; echo $?'");
    assert_string_equal(buf_str(&t.out), "1\n");
    case_done(&t);
}

/* A real ssh with an encrypted key to a real sshd on a free port of this machine, below the real
 * borg; then with a wrong passphrase, then to a host whose key is not known. */
static void
a_real_ssh_gets_in_and_neither_a_wrong_word_nor_a_strange_host_makes_it_loop(void **state)
{
    struct control_case t;
    struct secret *s = secret_new("key phrase", 10);
    case_init(&t, "/usr/bin/borg");
    t.spec.ssh_passphrase = s;
    case_open(&t);
    case_script(
        &t,
        "cd $R; mkdir -p /run/sshd; ssh-keygen -qt ed25519 -N '' -f host\n"
        "ssh-keygen -qt ed25519 -N 'key phrase' -f key; ssh-keygen -qt ed25519 -N other -f key2\n"
        "cat key.pub key2.pub >authorized; chmod 600 authorized\n"
        "port=$(python3 -c 'import socket; s=socket.socket(); s.bind((\"127.0.0.1\",0));"
        "print(s.getsockname()[1])')\n"
        "/usr/sbin/sshd -D -e -f /dev/null -p $port -h $R/host -o ListenAddress=127.0.0.1 "
        "-o AuthorizedKeysFile=$R/authorized -o StrictModes=no -o PidFile=none -o UsePAM=no "
        "-o PermitRootLogin=yes 2>sshd.log &\n"
        "sshd=$!; i=0; while ! grep -q listening sshd.log && [ $i -lt 100 ]; do sleep 0.05\n"
        "i=$((i+1)); done\n"
        "echo \"[127.0.0.1]:$port $(cat host.pub)\" >known\n"
        "export BORG_BASE_DIR=$R/base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes "
        "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes\n"
        "borg init -e none $R/repo\n"
        "repo=ssh://$(id -un)@127.0.0.1:$port$R/repo\n"
        "BORG_RSH=\"ssh -F none -i $R/key -o UserKnownHostsFile=$R/known\" borg list $repo; echo $?\n"
        "BORG_RSH=\"ssh -F none -i $R/key2 -o UserKnownHostsFile=$R/known\" borg list $repo; echo $?\n"
        "BORG_RSH=\"ssh -F none -i $R/key -o UserKnownHostsFile=$R/none\" borg list $repo; echo $?\n"
        "kill $sshd; cat sshd.log >&2");
    if (t.exits != 4 || t.exit_codes[1] != 0)
        fail_msg("%s%s", buf_str(&t.out), buf_str(&t.err));
    assert_true(t.exit_codes[2] != 0);
    assert_true(t.exit_codes[3] != 0);
    assert_null(strstr(buf_str(&t.err), "Failed password")); /* empty ones would get us banned */
    assert_null(strstr(buf_str(&t.err), "key phrase"));
    case_done(&t);
    secret_free(s);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_question_for_the_key_is_answered),
        cmocka_unit_test(only_the_questions_for_a_new_key_count_as_such),
        cmocka_unit_test(
            each_question_of_ssh_keygen_is_answered_once_and_only_in_a_job_that_makes_a_key),
        cmocka_unit_test(askpass_answers_once_an_ssh_below_a_borg),
        cmocka_unit_test(askpass_answers_an_ssh_that_is_the_job_itself),
        cmocka_unit_test(without_a_passphrase_askpass_is_not_offered_and_refuses),
        cmocka_unit_test(
            a_real_ssh_gets_in_and_neither_a_wrong_word_nor_a_strange_host_makes_it_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
