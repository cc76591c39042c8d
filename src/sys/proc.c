#include "sys/proc.h"

#include "base/mem.h"
#include "limits.h"
#include "sys/spawn_gate.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STREAMS = 2, PASSED_FD = 3 };

/* One struct for the child and its pipes; freed when every handle is closed and the owner has
 * released it. */
struct proc {
    uv_process_t process;
    uv_pipe_t pipe[STREAMS];
    bool open[STREAMS]; /* the pipe's handle is alive and its end was not seen */
    bool running;       /* not reaped yet */
    bool released;
    bool paused;
    unsigned handles;  /* handles whose close callback has not run */
    struct proc *next; /* in the list of children not reaped yet */
    pid_t pid;
    void (*on_data)(void *, enum proc_stream, const char *, size_t);
    void (*on_eof)(void *, enum proc_stream);
    void (*on_exit)(void *, int, int);
    void *arg;
};

/* The loop has one thread and a read's bytes are used before the next read: one buffer for all. */
static char read_buffer[CHILD_READ];

static struct proc *children;

static void reap_strangers(void);

static void forget_child(struct proc *p)
{
    for (struct proc **at = &children; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            return;
        }
}

static void handle_closed(uv_handle_t *h)
{
    struct proc *p = h->data;
    p->handles--;
    if (p->handles == 0 && p->released && !p->running)
        mem_free(p);
}

static void close_pipe(struct proc *p, size_t k)
{
    if (!p->open[k])
        return;
    p->open[k] = false;
    uv_close((uv_handle_t *)&p->pipe[k], handle_closed);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    *b = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct proc *p = stream->data;
    enum proc_stream k = stream == (uv_stream_t *)&p->pipe[PROC_STDOUT] ? PROC_STDOUT : PROC_STDERR;
    if (n > 0) {
        p->on_data(p->arg, k, b->base, (size_t)n);
        return;
    }
    if (n == 0)
        return;
    close_pipe(p, k); /* end of file, or an error that ends it too */
    if (p->on_eof)
        p->on_eof(p->arg, k);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct proc *p = process->data;
    p->running = false;
    forget_child(p);
    reap_strangers();
    uv_close((uv_handle_t *)process, handle_closed);
    if (!p->released && p->on_exit)
        p->on_exit(p->arg, signal ? 128 + signal : (int)status, signal);
}

static void init_pipes(uv_loop_t *loop, struct proc *p, uv_stdio_container_t *stdio)
{
    stdio[0] = (uv_stdio_container_t){.flags = UV_IGNORE}; /* libuv opens /dev/null */
    for (size_t k = 0; k < STREAMS; k++) {
        stdio[k + 1] = (uv_stdio_container_t){.flags = UV_IGNORE};
        if (!p->on_data)
            continue;
        (void)uv_pipe_init(loop, &p->pipe[k], 0);
        p->pipe[k].data = p;
        p->open[k] = true;
        p->handles++;
        stdio[k + 1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
        stdio[k + 1].data.stream = (uv_stream_t *)&p->pipe[k];
    }
}

static char **unconst(const char *const *v)
{
    union {
        const char *const *in;
        char **out;
    } u = {.in = v}; /* exec's old signature; libuv does not write to them */
    return u.out;
}

struct proc *proc_start(uv_loop_t *loop, const struct proc_spec *spec, struct err *e)
{
    struct proc *p = mem_zalloc(sizeof *p);
    if (!p) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to start a program");
        return NULL;
    }
    p->on_data = spec->on_data;
    p->on_eof = spec->on_eof;
    p->on_exit = spec->on_exit;
    p->arg = spec->arg;
    p->process.data = p;
    uv_stdio_container_t stdio[PASSED_FD + 1];
    init_pipes(loop, p, stdio);
    bool pass = spec->pass_fd > 0;
    if (pass)
        stdio[PASSED_FD] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = spec->pass_fd};
    uv_process_options_t o = {
        .file = spec->file,
        .args = unconst(spec->argv),
        .env = unconst(spec->envp),
        .cwd = spec->cwd ? spec->cwd : "/",
        .flags = UV_PROCESS_DETACHED, /* setsid: borgmatic signals its whole process group */
        .stdio = stdio,
        .stdio_count = pass ? PASSED_FD + 1 : PASSED_FD,
        .exit_cb = on_process_exit,
    };
    p->handles++;
    spawn_gate_close();
    int r = uv_spawn(loop, &p->process, &o);
    spawn_gate_open();
    if (r < 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "cannot start %s: %s", spec->file, uv_strerror(r));
        p->released = true;
        for (size_t k = 0; k < STREAMS; k++)
            close_pipe(p, k);
        uv_close((uv_handle_t *)&p->process, handle_closed);
        return NULL;
    }
    p->running = true;
    p->pid = p->process.pid;
    p->next = children;
    children = p;
    for (size_t k = 0; k < STREAMS; k++)
        if (p->open[k])
            (void)uv_read_start((uv_stream_t *)&p->pipe[k], on_alloc, on_read);
    return p;
}

pid_t proc_pid(const struct proc *p)
{
    return p->pid;
}

bool proc_running(const struct proc *p)
{
    return p->running;
}

void proc_pause(struct proc *p, bool pause)
{
    if (p->paused == pause)
        return;
    p->paused = pause;
    for (size_t k = 0; k < STREAMS; k++) {
        if (!p->open[k])
            continue;
        if (pause)
            (void)uv_read_stop((uv_stream_t *)&p->pipe[k]);
        else
            (void)uv_read_start((uv_stream_t *)&p->pipe[k], on_alloc, on_read);
    }
}

bool proc_signal(struct proc *p, int signal)
{
    return p->running && uv_process_kill(&p->process, signal) == 0;
}

void proc_release(struct proc *p)
{
    if (!p)
        return;
    assert(!p->released);
    p->released = true;
    for (size_t k = 0; k < STREAMS; k++)
        close_pipe(p, k);
    if (p->handles == 0 && !p->running)
        mem_free(p);
    else if (p->running)
        uv_unref((uv_handle_t *)&p->process);
}

/* ---- orphans ---- */

static uv_signal_t reaper;
static bool reaper_runs;

static bool is_child(pid_t pid)
{
    for (const struct proc *p = children; p; p = p->next)
        if (p->pid == pid)
            return true;
    return false;
}

/* libuv waits for its own children by number. What is left are descendants whose parent died: they
 * come to us. The look (WNOWAIT) comes before the wait, so that libuv's children are never taken;
 * one of them in front hides the rest, so each child's end looks again. */
static void reap_strangers(void)
{
    if (!reaper_runs)
        return;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        if (is_child(info.si_pid))
            return;
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void on_sigchld(uv_signal_t *h, int signum)
{
    reap_strangers();
}

bool proc_reaper_start(uv_loop_t *loop, struct err *e)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int r = uv_signal_init(loop, &reaper);
    if (r == 0)
        r = uv_signal_start(&reaper, on_sigchld, SIGCHLD);
    if (r < 0)
        return err_set(e, ERR_INTERNAL, "cannot watch for ended children: %s", uv_strerror(r));
    uv_unref((uv_handle_t *)&reaper);
    reaper_runs = true;
    return true;
}

void proc_reaper_stop(void)
{
    if (!reaper_runs)
        return;
    reaper_runs = false;
    uv_close((uv_handle_t *)&reaper, NULL);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *proc_which(const char *name, const char *path)
{
    if (strchr(name, '/'))
        return name[0] == '/' && is_program(name) ? mem_strdup(name) : NULL;
    for (const char *at = path; at && *at;) {
        size_t n = strcspn(at, ":");
        char *file = at[0] == '/' ? mem_printf("%.*s/%s", (int)n, at, name) : NULL;
        if (file && is_program(file))
            return file;
        mem_free(file);
        at += n + (at[n] == ':');
    }
    return NULL;
}
