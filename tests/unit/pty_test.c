#include "sys/pty.h"

#include "base/buf.h"
#include "sys/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct talk {
    struct pty *pty;
    struct buf said, out;
    const char *answer; /* typed once after the first text */
    bool over;
    int code;
};

static void on_text(void *arg, const char *p, size_t n)
{
    struct talk *t = arg;
    assert_true(buf_append(&t->said, p, n));
    if (t->answer && strchr(buf_str(&t->said), '?'))
        assert_true(pty_send(t->pty, t->answer, strlen(t->answer)));
    if (strchr(buf_str(&t->said), '?'))
        t->answer = NULL;
}

static void on_data(void *arg, enum proc_stream s, const char *p, size_t n)
{
    struct talk *t = arg;
    assert_true(buf_append(&t->out, p, n));
}

static void on_exit_of(void *arg, int code, int signal)
{
    struct talk *t = arg;
    t->code = code;
    t->over = true;
}

/* A shell on the terminal, started as the daemon starts borg: this very program is the helper. */
static void talk(struct talk *t, const char *script)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    const char *const argv[] = {PTY_PROGRAM, "/bin/sh", "-c", script, NULL};
    struct err e = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    buf_init(&t->said, 4096);
    buf_init(&t->out, 4096);
    t->pty = pty_new(&loop, on_text, t, &e);
    assert_non_null(t->pty);
    const struct proc_spec spec = {.file = "/proc/self/exe",
                                   .argv = argv,
                                   .envp = env,
                                   .pass_fd = pty_child_fd(t->pty),
                                   .on_data = on_data,
                                   .on_exit = on_exit_of,
                                   .arg = t};
    struct proc *p = proc_start(&loop, &spec, &e);
    assert_non_null(p);
    while (!t->over)
        (void)uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 20; i++) /* what is still in the pipes */
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    pty_free(t->pty);
    proc_release(p);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void talk_done(struct talk *t)
{
    buf_done(&t->said);
    buf_done(&t->out);
}

static void the_child_asks_on_its_terminal_and_is_answered(void **state)
{
    struct talk t = {.answer = "a \x03 b\x04 \xc3\xa9\n"};
    talk(&t, "printf 'who?' >/dev/tty; read -r x </dev/tty; printf '%s' \"got $x\"");
    assert_int_equal(t.code, 0);
    assert_string_equal(buf_str(&t.out), "got a \x03 b\x04 \xc3\xa9");
    assert_string_equal(buf_str(&t.said), "who?"); /* nothing was echoed */
    talk_done(&t);
}

static void the_childs_other_descriptors_are_no_terminal(void **state)
{
    struct talk t = {0};
    talk(&t, "for i in 0 1 2; do [ -t $i ] && echo tty$i; done; [ -e /proc/self/fd/3 ] && echo 3; "
             "ps -o tty= $$ | grep -c pts");
    assert_string_equal(buf_str(&t.out), "1\n");
    talk_done(&t);
}

static void too_much_at_once_is_not_sent_by_half(void **state)
{
    struct err e = {0};
    uv_loop_t loop;
    struct talk t = {0};
    char big[64 * 1024];
    memset(big, 'x', sizeof big);
    assert_int_equal(uv_loop_init(&loop), 0);
    struct pty *p = pty_new(&loop, on_text, &t, &e);
    assert_non_null(p);
    assert_false(pty_send(p, big, sizeof big));
    pty_free(p);
    pty_free(NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], PTY_PROGRAM) == 0)
        return pty_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_asks_on_its_terminal_and_is_answered),
        cmocka_unit_test(the_childs_other_descriptors_are_no_terminal),
        cmocka_unit_test(too_much_at_once_is_not_sent_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
