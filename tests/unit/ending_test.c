#include "sys/ending.h"

#include "base/mem.h"
#include "limits.h"
#include "loop_kit.h"
#include "sys/proc.h"
#include "sys/procfs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct ended {
    uv_loop_t loop;
    struct proc *proc;
    struct ending *ending;
    char marker[64];
    bool done, exited;
    size_t left;
    int signal;
    unsigned asked, reach;
};

static void on_done(void *arg, size_t left)
{
    struct ended *t = arg;
    assert_false(t->done);
    t->done = true;
    t->left = left;
}

static void on_child_exit(void *arg, int code, int signal)
{
    struct ended *t = arg;
    t->exited = true;
    t->signal = signal;
}

static unsigned ask(void *arg)
{
    struct ended *t = arg;
    t->asked++;
    if (t->reach)
        (void)proc_signal(t->proc, SIGINT);
    return t->reach;
}

static void begin(struct ended *t, const char *name, const char *script)
{
    memset(t, 0, sizeof *t);
    assert_int_equal(uv_loop_init(&t->loop), 0);
    (void)snprintf(t->marker, sizeof t->marker, "BORGMATIC_API_JOB=%s:%d", name, getpid());
    const char *argv[] = {"sh", "-c", script, NULL};
    const char *envp[] = {"PATH=/usr/bin:/bin", t->marker, NULL};
    struct proc_spec spec = {
        .file = "/bin/sh", .argv = argv, .envp = envp, .on_exit = on_child_exit, .arg = t};
    struct err e;
    t->proc = proc_start(&t->loop, &spec, &e);
    assert_non_null(t->proc);
    /* the marker is there once the program runs; before that the child is still a copy of us */
    pid_t found;
    while (procfs_find_env(t->marker, &found, 1) == 0)
        (void)usleep(1000);
}

static void run_until_done(struct ended *t)
{
    while (!t->done)
        (void)uv_run(&t->loop, UV_RUN_ONCE);
}

static void finish(struct ended *t)
{
    pid_t found;
    assert_int_equal(procfs_find_env(t->marker, &found, 1), 0);
    ending_free(t->ending);
    proc_release(t->proc);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(loop_kit_close(&t->loop), 0);
}

static void start(struct ended *t, bool with_ask)
{
    struct ending_spec spec = {
        .entry = t->marker, .ask = with_ask ? ask : NULL, .done = on_done, .arg = t};
    t->ending = ending_start(&t->loop, &spec);
    assert_non_null(t->ending);
}

static void who_obeys_the_polite_request_gets_no_other(void **state)
{
    struct ended t;
    char ready[64], script[256];
    (void)snprintf(ready, sizeof ready, "/tmp/ending_test.%d", getpid());
    (void)snprintf(script, sizeof script, "trap 'exit 5' INT; : > %s; while :; do sleep 0.05; done",
                   ready);
    begin(&t, "polite", script);
    while (access(ready, F_OK) != 0) /* before that it would not have obeyed but died */
        (void)usleep(1000);
    (void)unlink(ready);
    t.reach = 1;
    start(&t, true);
    run_until_done(&t);
    assert_int_equal(t.asked, 1);
    assert_int_equal(t.left, 0);
    assert_int_equal(t.signal, 0);
    finish(&t);
}

static void with_nobody_to_ask_all_are_terminated_at_once(void **state)
{
    struct ended t;
    begin(&t, "term", "sleep 60 & sleep 60 & wait");
    uint64_t before = uv_hrtime();
    start(&t, true);
    run_until_done(&t);
    assert_true(uv_hrtime() - before < END_INT_MS * 1000000ULL / 2);
    assert_int_equal(t.left, 0);
    finish(&t);
}

/* setsid takes the child out of the session: only the marker finds it. */
static void who_left_the_session_is_found_too(void **state)
{
    struct ended t;
    begin(&t, "session", "setsid sleep 60 & setsid sleep 60 & sleep 0.3");
    start(&t, true);
    run_until_done(&t);
    assert_int_equal(t.left, 0);
    finish(&t);
}

static void without_a_request_it_waits_for_those_who_go_by_themselves(void **state)
{
    struct ended t;
    begin(&t, "wait", "sleep 0.3; exit 0");
    start(&t, false);
    run_until_done(&t);
    assert_int_equal(t.signal, 0);
    finish(&t);
}

static void hurry_goes_on_with_the_signal(void **state)
{
    struct ended t;
    begin(&t, "hurry", "exec sleep 60");
    start(&t, false);
    ending_hurry(t.ending);
    run_until_done(&t);
    finish(&t);
}

static void a_foreign_process_is_not_signalled(void **state)
{
    struct ended t;
    begin(&t, "foreign", "exec sleep 60");
    assert_false(procfs_signal_env(proc_pid(t.proc), "BORGMATIC_API_JOB=another", SIGKILL));
    assert_true(procfs_signal_env(proc_pid(t.proc), t.marker, SIGKILL));
    start(&t, false);
    run_until_done(&t);
    finish(&t);
}

static void a_script_is_known_by_its_name(void **state)
{
    assert_false(procfs_runs(getpid(), "ending_test")); /* our own program is not counted */
    assert_true(procfs_is_our_program(getpid()));
    assert_int_equal(procfs_parent(getpid()), getppid());
    struct ended t;
    begin(&t, "name", "exec sleep 60");
    while (!procfs_runs(proc_pid(t.proc), "sleep"))
        (void)usleep(1000);
    assert_false(procfs_runs(proc_pid(t.proc), "borg"));
    start(&t, true);
    run_until_done(&t);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_obeys_the_polite_request_gets_no_other),
        cmocka_unit_test(with_nobody_to_ask_all_are_terminated_at_once),
        cmocka_unit_test(who_left_the_session_is_found_too),
        cmocka_unit_test(without_a_request_it_waits_for_those_who_go_by_themselves),
        cmocka_unit_test(hurry_goes_on_with_the_signal),
        cmocka_unit_test(a_foreign_process_is_not_signalled),
        cmocka_unit_test(a_script_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
