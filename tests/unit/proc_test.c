#include "sys/proc.h"

#include "base/buf.h"
#include "base/mem.h"
#include "loop_kit.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* One child and what was heard of it. */
struct heard {
    uv_loop_t loop;
    struct proc *proc;
    struct buf out[2];
    int eofs, exits, code, signal;
};

static void on_data(void *arg, enum proc_stream stream, const char *p, size_t n)
{
    struct heard *h = arg;
    assert_true(buf_append(&h->out[stream], p, n));
}

static void on_eof(void *arg, enum proc_stream stream)
{
    ((struct heard *)arg)->eofs++;
}

static void on_end(void *arg, int code, int signal)
{
    struct heard *h = arg;
    h->exits++;
    h->code = code;
    h->signal = signal;
}

static void begin(struct heard *h)
{
    memset(h, 0, sizeof *h);
    assert_int_equal(uv_loop_init(&h->loop), 0);
    buf_init(&h->out[0], 16 << 20);
    buf_init(&h->out[1], 16 << 20);
}

static void end(struct heard *h)
{
    proc_release(h->proc);
    (void)uv_run(&h->loop, UV_RUN_DEFAULT);
    assert_int_equal(loop_kit_close(&h->loop), 0);
    buf_done(&h->out[0]);
    buf_done(&h->out[1]);
}

static void start_sh(struct heard *h, const char *script, int pass_fd)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    const char *envp[] = {"PATH=/usr/bin:/bin", "ONLY=this", NULL};
    struct proc_spec spec = {.file = "/bin/sh",
                             .argv = argv,
                             .envp = envp,
                             .pass_fd = pass_fd,
                             .on_data = on_data,
                             .on_eof = on_eof,
                             .on_exit = on_end,
                             .arg = h};
    struct err e;
    h->proc = proc_start(&h->loop, &spec, &e);
    assert_non_null(h->proc);
}

static void both_streams_and_the_exit_code_arrive(void **state)
{
    struct heard h;
    begin(&h);
    start_sh(&h, "echo one; echo two >&2; exit 7", 0);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    assert_string_equal(buf_str(&h.out[PROC_STDOUT]), "one\n");
    assert_string_equal(buf_str(&h.out[PROC_STDERR]), "two\n");
    assert_int_equal(h.eofs, 2);
    assert_int_equal(h.exits, 1);
    assert_int_equal(h.code, 7);
    assert_int_equal(h.signal, 0);
    end(&h);
}

static void a_signal_is_reported_as_one(void **state)
{
    struct heard h;
    begin(&h);
    start_sh(&h, "kill -9 $$", 0);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    assert_int_equal(h.signal, SIGKILL);
    assert_int_equal(h.code, 128 + SIGKILL);
    end(&h);
}

static void the_child_sees_three_descriptors_and_only_the_given_environment(void **state)
{
    int leak = dup(STDERR_FILENO); /* would be seen if it were not close-on-exec */
    assert_true(leak > 2);
    assert_int_equal(fcntl(leak, F_SETFD, FD_CLOEXEC), 0);
    struct heard h;
    begin(&h);
    start_sh(&h, "ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0; env | sort; pwd", 0);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    /* 3 is ls's own look into the directory */
    assert_string_equal(buf_str(&h.out[PROC_STDOUT]),
                        "0 1 2 3 /dev/null\nONLY=this\nPATH=/usr/bin:/bin\nPWD=/\n/\n");
    end(&h);
    (void)close(leak);
}

static void a_passed_descriptor_is_number_three(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "word", 4), 4);
    (void)close(ends[1]);
    struct heard h;
    begin(&h);
    start_sh(&h, "cat <&3", ends[0]);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    assert_string_equal(buf_str(&h.out[PROC_STDOUT]), "word");
    (void)close(ends[0]);
    end(&h);
}

static void the_child_leads_its_own_session(void **state)
{
    struct heard h;
    begin(&h);
    start_sh(&h, "set -- $(cat /proc/self/stat); echo $4 $6", 0);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    char want[64];
    (void)snprintf(want, sizeof want, "%d %d\n", proc_pid(h.proc), proc_pid(h.proc));
    assert_string_equal(buf_str(&h.out[PROC_STDOUT]), want);
    end(&h);
}

static void resume(uv_timer_t *t)
{
    struct heard *h = t->data;
    assert_int_equal(h->out[PROC_STDOUT].n, 0);
    proc_pause(h->proc, false);
    uv_close((uv_handle_t *)t, NULL);
}

static void a_paused_pipe_is_read_later_and_whole(void **state)
{
    struct heard h;
    uv_timer_t timer;
    begin(&h);
    start_sh(&h, "head -c 1000000 /dev/zero", 0);
    proc_pause(h.proc, true);
    (void)uv_timer_init(&h.loop, &timer);
    timer.data = &h;
    (void)uv_timer_start(&timer, resume, 50, 0);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    assert_int_equal(h.out[PROC_STDOUT].n, 1000000);
    assert_int_equal(h.exits, 1);
    end(&h);
}

static void a_program_that_is_not_there_is_an_error_and_leaves_no_handle(void **state)
{
    struct heard h;
    begin(&h);
    const char *argv[] = {"x", NULL}, *envp[] = {NULL};
    struct proc_spec spec = {.file = "/no/such/program",
                             .argv = argv,
                             .envp = envp,
                             .on_data = on_data,
                             .on_exit = on_end,
                             .arg = &h};
    struct err e = {0};
    assert_null(proc_start(&h.loop, &spec, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.msg, "/no/such/program"));
    end(&h);
    assert_int_equal(h.exits, 0);
}

static void tick(uv_timer_t *t)
{
}

static void orphans_are_reaped(void **state)
{
    struct heard h;
    begin(&h);
    struct err e;
    assert_true(proc_reaper_start(&h.loop, &e));
    /* the grandchild outlives its parent by a moment and becomes ours */
    start_sh(&h, "(sleep 0.2; exit 3) & echo $!", 0);
    (void)uv_run(&h.loop, UV_RUN_DEFAULT);
    int orphan = (int)strtol(buf_str(&h.out[PROC_STDOUT]), NULL, 10);
    assert_true(orphan > 0);
    uv_timer_t alive; /* a loop without a handle does not turn */
    (void)uv_timer_init(&h.loop, &alive);
    (void)uv_timer_start(&alive, tick, 10, 10);
    for (int i = 0; i < 500 && kill(orphan, 0) == 0; i++)
        (void)uv_run(&h.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&alive, NULL);
    assert_int_equal(kill(orphan, 0), -1); /* not even a zombie */
    proc_reaper_stop();
    end(&h);
}

static void which_takes_absolute_entries_only(void **state)
{
    char *sh = proc_which("sh", "bin:.:/nowhere:/bin");
    assert_string_equal(sh, "/bin/sh");
    mem_free(sh);
    assert_null(proc_which("sh", "bin"));
    assert_null(proc_which("no-such-program", "/bin:/usr/bin"));
    assert_null(proc_which("./sh", "/bin"));
}

int main(void)
{
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* what our own starter left open */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_streams_and_the_exit_code_arrive),
        cmocka_unit_test(a_signal_is_reported_as_one),
        cmocka_unit_test(the_child_sees_three_descriptors_and_only_the_given_environment),
        cmocka_unit_test(a_passed_descriptor_is_number_three),
        cmocka_unit_test(the_child_leads_its_own_session),
        cmocka_unit_test(a_paused_pipe_is_read_later_and_whole),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error_and_leaves_no_handle),
        cmocka_unit_test(orphans_are_reaped),
        cmocka_unit_test(which_takes_absolute_entries_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
