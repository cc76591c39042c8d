#include "backup/control/shim_run.h"

#include "backup/control/control_dir.h"
#include "backup/control/shim_lines.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EMIT_MAX = 4 * LIMIT_LINE, NO_PROGRAM = 127 };

struct run {
    struct control_link *link;
    const struct shim_args *args;
    int passphrase;
    int from, to;      /* ends of borg's stderr pipe */
    int signals;       /* signalfd */
    sigset_t old_mask; /* as we were started: borg gets it back */
    struct sigaction old_pipe;
    pid_t pid;
    int status;
    bool ended;
    struct shim_lines lines;
    struct buf emitted; /* waits for our stderr */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the sinks of shim_lines ---- */

static void on_send(void *arg, enum control_msg_type type, const char *p, size_t n, bool dropped)
{
    struct run *r = arg;
    struct control_msg m = {.type = type, .rest = p, .n = n};
    (void)control_link_send(r->link, &m, dropped);
}

static void flush(struct run *r)
{
    const char *p = buf_str(&r->emitted);
    for (size_t n = r->emitted.n; n;) {
        ssize_t w = write(STDERR_FILENO, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && errno == EAGAIN) { /* somebody made the shared pipe non-blocking */
            struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
            (void)poll(&room, 1, -1);
            continue;
        }
        if (w <= 0)
            break; /* nobody reads any more; borg goes on all the same */
        p += w;
        n -= (size_t)w;
    }
    buf_reset(&r->emitted);
}

static void on_emit(void *arg, const char *p, size_t n)
{
    struct run *r = arg;
    if (r->emitted.n + n > EMIT_MAX)
        flush(r);
    (void)buf_append(&r->emitted, p, n);
}

/* ---- borg's start ---- */

static bool prepare(struct run *r)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    r->from = ends[0];
    r->to = ends[1];
    (void)fcntl(r->from, F_SETFL, O_NONBLOCK);
    sigset_t ours;
    (void)sigemptyset(&ours);
    /* the group's signals reach borg without us, and twice would be once too often */
    const int held[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        (void)sigaddset(&ours, held[i]);
    (void)sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &r->old_pipe);
    (void)sigprocmask(SIG_BLOCK, &ours, &r->old_mask);
    r->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals >= 0;
}

__attribute__((noreturn)) static void become_borg(const struct run *r, pid_t shim)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* borg never outlives a shim that was killed */
    if (getppid() != shim)
        _exit(NO_PROGRAM);
    if (r->passphrase >= 0)
        (void)fcntl(r->passphrase, F_SETFD, 0);
    if (dup2(r->to, STDERR_FILENO) < 0)
        _exit(NO_PROGRAM);
    (void)sigaction(SIGPIPE, &r->old_pipe, NULL);
    (void)sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
    (void)execv(r->args->argv[0], r->args->argv);
    (void)dprintf(STDERR_FILENO, "borg: cannot run %s: %s\n", r->args->argv[0], strerror(errno));
    _exit(NO_PROGRAM);
}

static bool start(struct run *r)
{
    pid_t shim = getpid();
    if (!prepare(r))
        return false;
    r->pid = fork();
    if (r->pid == 0)
        become_borg(r, shim);
    (void)close(r->to);
    if (r->passphrase >= 0)
        (void)close(r->passphrase);
    if (r->pid < 0)
        return false;
    struct control_msg m = {.type = CONTROL_STARTED, .pid = r->pid};
    (void)control_link_send(r->link, &m, false);
    return true;
}

/* ---- its output and its end ---- */

/* False when there is nothing to read at the moment; at the end of the pipe it is closed. */
static bool read_some(struct run *r)
{
    static char chunk[64 * 1024];
    ssize_t n = r->from < 0 ? 0 : read(r->from, chunk, sizeof chunk);
    if (n > 0) {
        shim_lines_feed(&r->lines, chunk, (size_t)n, now_ms());
        flush(r);
        return true;
    }
    if (n == 0 && r->from >= 0) {
        (void)close(r->from);
        r->from = -1;
    }
    return n < 0 && errno == EINTR;
}

static void take_signals(struct run *r)
{
    struct signalfd_siginfo info;
    while (read(r->signals, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    if (waitpid(r->pid, &r->status, WNOHANG) == r->pid)
        r->ended = true;
}

static void follow(struct run *r)
{
    while (!r->ended) {
        struct pollfd fds[] = {{.fd = r->signals, .events = POLLIN},
                               {.fd = r->from, .events = POLLIN}};
        (void)poll(fds, 2, shim_lines_due(&r->lines, now_ms()));
        if (fds[1].revents)
            (void)read_some(r);
        if (fds[0].revents)
            take_signals(r);
        shim_lines_tick(&r->lines, now_ms());
    }
    /* What is in the pipe is borg's; waiting for its end would be waiting for strangers that
     * inherited it, such as a lingering ssh. */
    while (read_some(r))
        ;
    shim_lines_end(&r->lines, now_ms());
    flush(r);
}

static void leave_evidence(const struct run *r, int code)
{
    const struct shim_lines *l = &r->lines;
    bool made = code == 0 || code == 1 || (code >= 100 && code < 128);
    if (!made || !l->archive[0] || !l->id[0])
        return;
    struct control_evidence ev = {
        .repository = l->repository, .archive = l->archive, .id = l->id, .exit_code = code};
    (void)control_dir_write_evidence(r->link->dir, getpid(), &ev);
}

/* Ends as borg did, so that borgmatic sees what it would have seen. */
static int end_like(int status)
{
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    int signal = WTERMSIG(status);
    sigset_t all;
    (void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    (void)sigemptyset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)raise(signal);
    return 128 + signal;
}

int shim_run(struct control_link *link, const struct shim_args *args, int passphrase)
{
    struct run r = {.link = link, .args = args, .passphrase = passphrase};
    buf_init(&r.emitted, EMIT_MAX);
    shim_lines_init(&r.lines);
    r.lines.raw = args->own_log_json;
    r.lines.raw_progress = args->own_progress;
    r.lines.hide_stats = args->added_stats;
    r.lines.send = on_send;
    r.lines.emit = on_emit;
    r.lines.arg = &r;
    if (!start(&r)) {
        (void)dprintf(STDERR_FILENO, "borg: cannot start: %s\n", strerror(errno));
        return NO_PROGRAM;
    }
    follow(&r);
    int signal = WIFSIGNALED(r.status) ? WTERMSIG(r.status) : 0;
    int code = signal ? 128 + signal : WEXITSTATUS(r.status);
    leave_evidence(&r, code);
    struct control_msg m = {.type = CONTROL_EXIT, .code = code, .signal = signal};
    (void)control_link_send(link, &m, false);
    control_link_close(link);
    shim_lines_done(&r.lines);
    buf_done(&r.emitted);
    return end_like(r.status);
}
