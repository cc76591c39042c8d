/* Who is a borg and who only speaks of one; what is a borg mount and what is only named so. */
#include "backup/run/presence.h"

#include "sys/procfs.h"

#include <poll.h>
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

enum { START_MS = 20 * 1000 };

/* execve is over: it sets env_end last, until then the arguments may read as empty (proc(5), stat).
 */
static bool has_begun(pid_t pid)
{
    enum { FIRST = 3, ENV_END = 51 };
    char path[64], text[2048];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = procfs_is_our_program(pid) ? NULL : fopen(path, "re");
    if (!f)
        return false;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    const char *at = strrchr(text, ')');
    for (int n = FIRST - 1; at && n < ENV_END; n++)
        at = strchr(at + 1, ' ');
    return at && strtoull(at, NULL, 10) != 0;
}

/* Runs `file` with the arguments until it is ended. */
static pid_t run(const char *file, const char *const *argv, const char *const *env)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should a check fail */
        (void)execve(file, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
        _exit(127);
    }
    assert_true(pid > 0);
    int waited = 0;
    while (!has_begun(pid) && waited++ < START_MS)
        (void)poll(NULL, 0, 1);
    assert_true(waited <= START_MS);
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static const struct presence_program *find(const struct presence *p, pid_t pid)
{
    for (size_t i = 0; i < p->program_count; i++)
        if (p->programs[i].pid == pid)
            return &p->programs[i];
    return NULL;
}

static void programs_are_told_apart(void **state)
{
    static const char wait_script[] = "import time; time.sleep(60)";
    char folder[] = "/tmp/presence-test.XXXXXX", script[64];
    const char *none[] = {NULL}, *ours[] = {"A=1", "BORGMATIC_API_JOB=create:7", NULL};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(script, sizeof script, "%s/borgmatic", folder);
    FILE *f = fopen(script, "we");
    assert_non_null(f);
    assert_true(fputs(wait_script, f) > 0);
    assert_int_equal(fclose(f), 0);
    const char *borg[] = {"/usr/bin/borg", "60", NULL};
    const char *speaks[] = {"sleep", "60", NULL}, *named[] = {"borgmatic-api", "60", NULL};
    const char *python[] = {"python3", "-B", script, NULL};
    const char *tail[] = {"tail", "-f", script, NULL};
    const char *shell[] = {"sh", "-c", "kill -STOP $$", "borg", NULL};
    pid_t pids[] = {run("/bin/sleep", borg, ours),    run("/usr/bin/python3", python, none),
                    run("/bin/sleep", speaks, ours),  run("/bin/sleep", named, none),
                    run("/usr/bin/tail", tail, none), run("/bin/sh", shell, none)};
    struct presence p;
    presence_look(&p);
    const struct presence_program *one = find(&p, pids[0]);
    assert_non_null(one);
    assert_false(one->borgmatic);
    assert_string_equal(one->job, "create:7");
    one = find(&p, pids[1]);
    assert_non_null(one);
    assert_true(one->borgmatic);
    assert_string_equal(one->job, "");
    for (size_t i = 2; i < sizeof pids / sizeof *pids; i++)
        assert_null(find(&p, pids[i]));
    assert_true(p.borgs >= 1 && p.borgmatics >= 1);
    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++)
        end(pids[i]);
    (void)unlink(script);
    (void)rmdir(folder);
}

static void a_module_of_a_python_is_seen(void **state)
{
    char folder[] = "/tmp/presence-test.XXXXXX", module[64], path[96];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(module, sizeof module, "%s/borg.py", folder);
    (void)snprintf(path, sizeof path, "PYTHONPATH=%s", folder);
    FILE *f = fopen(module, "we");
    assert_non_null(f);
    assert_true(fputs("import time; time.sleep(60)", f) > 0);
    assert_int_equal(fclose(f), 0);
    const char *argv[] = {"python3", "-B", "-m", "borg", NULL}, *env[] = {path, NULL};
    pid_t pid = run("/usr/bin/python3", argv, env);
    struct presence p;
    presence_look(&p);
    assert_non_null(find(&p, pid));
    end(pid);
    (void)unlink(module);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_told_apart),
        cmocka_unit_test(a_module_of_a_python_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
