#include "sys/procfs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOOKS = 1000 };

/* A child with the entry in its environment that becomes `program`. */
static pid_t start(const char *program, char *const argv[], char *entry)
{
    char path[] = "PATH=/usr/bin:/bin";
    char *const envp[] = {path, entry, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should a check fail */
        (void)execve(program, argv, entry ? envp : envp + 2);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void found_alone(const char *entry, pid_t pid)
{
    pid_t found[2] = {0};
    size_t n = procfs_find_env(entry, found, 2);
    assert_int_equal(n, 1);
    assert_int_equal(found[0], pid);
}

/* While a program takes another's place, its environment reads as empty. */
static void who_becomes_another_program_is_found_at_any_moment(void **state)
{
    char entry[64], script[64];
    (void)snprintf(entry, sizeof entry, "PROCFS_TEST=exec:%d", getpid());
    (void)snprintf(script, sizeof script, "/tmp/procfs_test.%d", getpid());
    FILE *f = fopen(script, "we");
    assert_non_null(f);
    assert_true(fprintf(f, "exec /bin/sh %s\n", script) > 0);
    assert_int_equal(fclose(f), 0);
    char sh[] = "sh";
    char *const argv[] = {sh, script, NULL};
    pid_t pid = start("/bin/sh", argv, entry), seen;
    while (procfs_find_env(entry, &seen, 1) == 0) /* until then it is still a copy of us */
        (void)usleep(1000);
    for (int i = 0; i < LOOKS; i++)
        found_alone(entry, pid);
    end(pid);
    (void)unlink(script);
    assert_int_equal(procfs_find_env(entry, &seen, 1), 0);
}

static void who_has_no_environment_is_nobodys(void **state)
{
    char sleep_name[] = "sleep", seconds[] = "60";
    char *const argv[] = {sleep_name, seconds, NULL};
    pid_t pid = start("/bin/sleep", argv, NULL);
    while (!procfs_runs(pid, "sleep"))
        (void)usleep(1000);
    assert_false(procfs_signal_env(pid, "PROCFS_TEST=none", SIGKILL));
    assert_int_equal(kill(pid, 0), 0);
    end(pid);
}

static void a_zombie_is_left_out(void **state)
{
    char entry[64], name[] = "true";
    (void)snprintf(entry, sizeof entry, "PROCFS_TEST=zombie:%d", getpid());
    char *const argv[] = {name, NULL};
    pid_t pid = start("/bin/true", argv, entry), seen;
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(procfs_find_env(entry, &seen, 1), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_becomes_another_program_is_found_at_any_moment),
        cmocka_unit_test(who_has_no_environment_is_nobodys),
        cmocka_unit_test(a_zombie_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
