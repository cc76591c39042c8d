/* control_case: one control socket with a child below it, for the tests of control and the shim.
 * The test program itself is the `borg` and the `askpass` of the control directory, as the daemon
 * is: control_case_main looks at argv[0] first. */
#ifndef CONTROL_CASE_H
#define CONTROL_CASE_H

#include "backup/control/control.h"
#include "base/buf.h"
#include "base/mem.h"
#include "sys/proc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A borg that says what it was given and ends with 7. */
#define FAKE_BORG "#!/bin/sh\necho \"real $*\"\nexit 7\n"

enum { CASE_OUT = 8 * 1024 * 1024, CASE_RUNS = 8, CASE_DEADLINE_MS = 60 * 1000, CASE_ENVS = 32 };

struct control_case {
    uv_loop_t loop;
    uv_timer_t deadline;
    char root[64]; /* a directory of its own, removed at the end */
    char state[512];
    char fake[128];
    struct control_spec spec;
    struct control *control;
    struct proc *proc;
    bool late_leader; /* the leader is named only when the first peer has had time to connect */
    int open;         /* pipes of the child */
    int code, signal; /* of the child */
    struct buf out, err;
    json_t *messages; /* array of what borg wrote */
    struct buf texts;
    unsigned starts, exits;
    int exit_codes[CASE_RUNS], exit_signals[CASE_RUNS];
    char commands[CASE_RUNS][4096]; /* argv of each run, joined by blanks */
    char envs[CASE_RUNS][4096];     /* record mode: BORG_*, joined by newlines */
    char passphrases[CASE_RUNS][256];
    pid_t borg_pid;
    void (*started)(struct control_case *t); /* called at each start, may be NULL */
    void (*message)(struct control_case *t, const json_t *j);
};

static inline void case_on_start(void *arg, const struct control_run *run)
{
    struct control_case *t = arg;
    assert_true(t->starts < CASE_RUNS);
    assert_int_equal(run->n, t->starts);
    char *to = t->commands[t->starts];
    for (size_t i = 0; run->argv[i]; i++) {
        size_t n = strlen(to);
        (void)snprintf(to + n, sizeof t->commands[0] - n, "%s%s", i ? " " : "", run->argv[i]);
    }
    to = t->envs[t->starts];
    for (size_t i = 0; run->env && run->env[i]; i++) {
        size_t n = strlen(to);
        (void)snprintf(to + n, sizeof t->envs[0] - n, "%s\n", run->env[i]);
    }
    (void)snprintf(t->passphrases[t->starts], sizeof t->passphrases[0], "%s",
                   run->passphrase ? secret_bytes(run->passphrase) : "(none)");
    t->borg_pid = run->borg_pid;
    t->starts++;
    if (t->started)
        t->started(t);
}

static inline void case_on_message(void *arg, const struct control_run *run, const json_t *message)
{
    struct control_case *t = arg;
    assert_int_equal(run->n + 1, t->starts);
    assert_int_equal(json_array_append_new(t->messages, json_deep_copy(message)), 0);
    if (t->message)
        t->message(t, message);
}

static inline void case_on_text(void *arg, const struct control_run *run, const char *line,
                                size_t n)
{
    struct control_case *t = arg;
    (void)buf_append(&t->texts, line, n);
    (void)buf_putc(&t->texts, '\n');
}

static inline void case_on_exit(void *arg, const struct control_run *run, int code, int signal)
{
    struct control_case *t = arg;
    assert_true(t->exits < CASE_RUNS);
    t->exit_codes[t->exits] = code;
    t->exit_signals[t->exits] = signal;
    t->exits++;
}

static inline void case_on_data(void *arg, enum proc_stream stream, const char *p, size_t n)
{
    struct control_case *t = arg;
    assert_true(buf_append(stream == PROC_STDOUT ? &t->out : &t->err, p, n));
}

static inline void case_on_eof(void *arg, enum proc_stream stream)
{
    struct control_case *t = arg;
    t->open--;
}

static inline void case_on_proc_exit(void *arg, int code, int signal)
{
    struct control_case *t = arg;
    t->code = code;
    t->signal = signal;
    t->open--;
}

static inline void case_on_deadline(uv_timer_t *h)
{
    fail_msg("nothing has come to an end in %d ms", CASE_DEADLINE_MS);
}

/* Fill in t->spec (passphrases, record) between this and case_run. */
static inline void case_init(struct control_case *t, const char *borg)
{
    memset(t, 0, sizeof *t);
    assert_int_equal(uv_loop_init(&t->loop), 0);
    assert_int_equal(uv_timer_init(&t->loop, &t->deadline), 0);
    assert_int_equal(uv_timer_start(&t->deadline, case_on_deadline, CASE_DEADLINE_MS, 0), 0);
    (void)snprintf(t->root, sizeof t->root, "/tmp/control_case_XXXXXX");
    assert_non_null(mkdtemp(t->root));
    (void)snprintf(t->state, sizeof t->state, "%s", t->root);
    buf_init(&t->out, CASE_OUT);
    buf_init(&t->err, CASE_OUT);
    buf_init(&t->texts, CASE_OUT);
    t->messages = json_array();
    t->spec = (struct control_spec){.borg = borg,
                                    .on_start = case_on_start,
                                    .on_message = case_on_message,
                                    .on_text = case_on_text,
                                    .on_exit = case_on_exit,
                                    .arg = t};
}

static inline void case_write(const struct control_case *t, const char *name, const char *text,
                              mode_t mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", t->root, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* The same with a borg of the test's making: a shell script. */
static inline void case_init_fake(struct control_case *t, const char *script)
{
    case_init(t, NULL);
    case_write(t, "fake", script, 0755);
    (void)snprintf(t->fake, sizeof t->fake, "%s/fake", t->root);
    t->spec.borg = t->fake;
}

static inline void case_open(struct control_case *t)
{
    struct err e = {0};
    t->spec.state_dir = t->state;
    t->control = control_new(&t->loop, &t->spec, &e);
    if (!t->control)
        fail_msg("%s", e.msg);
}

static inline void case_on_late(uv_timer_t *h)
{
    struct control_case *t = h->data;
    control_set_leader(t->control, proc_pid(t->proc));
    uv_close((uv_handle_t *)h, NULL);
}

/* Starts the program as the job's leader; `more` are entries for its environment. */
static inline void case_start(struct control_case *t, const char *const *argv,
                              const char *const *more)
{
    const char *env[CASE_ENVS];
    char root[128];
    size_t n = 0;
    struct err e = {0};
    (void)snprintf(root, sizeof root, "R=%s", t->root);
    for (const char *const *c = control_env(t->control, "/usr/bin:/bin"); *c; c++)
        env[n++] = *c;
    env[n++] = "HOME=/root";
    env[n++] = "LC_ALL=C.UTF-8";
    env[n++] = root;
    for (; more && *more; more++)
        env[n++] = *more;
    env[n] = NULL;
    t->open = 3;
    struct proc_spec spec = {.file = argv[0],
                             .argv = argv,
                             .envp = env,
                             .on_data = case_on_data,
                             .on_eof = case_on_eof,
                             .on_exit = case_on_proc_exit,
                             .arg = t};
    t->proc = proc_start(&t->loop, &spec, &e);
    if (!t->proc)
        fail_msg("%s", e.msg);
    if (!t->late_leader)
        control_set_leader(t->control, proc_pid(t->proc));
}

static inline void case_wait(struct control_case *t)
{
    while (t->open > 0 || t->exits < t->starts)
        (void)uv_run(&t->loop, UV_RUN_ONCE);
    proc_release(t->proc);
    t->proc = NULL;
}

/* Runs a shell script as the job's leader to its end. */
static inline void case_script(struct control_case *t, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    case_start(t, argv, NULL);
    case_wait(t);
}

static inline void case_done(struct control_case *t)
{
    char command[128];
    control_free(t->control);
    uv_close((uv_handle_t *)&t->deadline, NULL);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    buf_done(&t->out);
    buf_done(&t->err);
    buf_done(&t->texts);
    json_decref(t->messages);
    (void)snprintf(command, sizeof command, "rm -rf %s", t->root);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The value of `key` in the first message whose `match` is `is`; "" when there is none. */
static inline const char *case_find(const struct control_case *t, const char *match, const char *is,
                                    const char *key)
{
    size_t i;
    json_t *j;
    json_array_foreach(t->messages, i, j)
    {
        const char *v = json_string_value(json_object_get(j, match));
        const char *found = json_string_value(json_object_get(j, key));
        if (v && strncmp(v, is, strlen(is)) == 0)
            return found ? found : "";
    }
    return "";
}

static inline size_t case_count(const struct control_case *t, const char *match, const char *is)
{
    size_t i, n = 0;
    json_t *j;
    json_array_foreach(t->messages, i, j)
    {
        const char *v = json_string_value(json_object_get(j, match));
        n += v && strcmp(v, is) == 0;
    }
    return n;
}

/* A file of /proc/PID with its NULs as newlines; "" when the process is gone. */
static inline void case_read_proc(pid_t pid, const char *file, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    for (size_t i = 0; i < n; i++)
        if (out[i] == '\0')
            out[i] = '\n';
    out[n] = '\0';
    if (f)
        (void)fclose(f);
}

/* −1: this process is the test itself. */
static inline int control_case_main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    if (strcmp(name, "borg") == 0)
        return shim_main(argc, argv);
    if (strcmp(name, "askpass") == 0)
        return askpass_main(argc, argv);
    return -1;
}

#endif
