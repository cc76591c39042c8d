#include "control_case.h"

#include "backup/control_peer.h"

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

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_question_for_the_key_is_answered),
        cmocka_unit_test(askpass_answers_once_an_ssh_below_a_borg),
        cmocka_unit_test(askpass_answers_an_ssh_that_is_the_job_itself),
        cmocka_unit_test(without_a_passphrase_askpass_is_not_offered_and_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
