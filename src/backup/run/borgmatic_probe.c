#include "backup/run/borgmatic.h"
#include "base/buf.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/proc.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BORGMATIC, BORG, PROGRAMS };

struct asked { /* one `--version` */
    struct probe *owner;
    struct proc *proc;
    struct buf out;
    bool exited, ended;
    int code;
};

struct probe {
    struct borgmatic_tools tools;
    struct asked asked[PROGRAMS];
    struct stat borg; /* as it was when it was asked */
    uv_timer_t timer;
    void (*done)(void *arg, const struct borgmatic_tools *t);
    void *arg;
};

static const char *const names[PROGRAMS] = {"borgmatic", "borg"};

static bool running(const struct asked *a)
{
    return a->proc && !(a->exited && a->ended);
}

static void on_closed(uv_handle_t *h)
{
    struct probe *p = h->data;
    for (size_t i = 0; i < PROGRAMS; i++)
        buf_done(&p->asked[i].out);
    mem_free(p);
}

static void judge(struct probe *p, size_t i, const char *file, struct borgmatic_version *v)
{
    const struct asked *a = &p->asked[i];
    char *problem = p->tools.problem;
    size_t size = sizeof p->tools.problem;
    if (problem[0] != '\0')
        return;
    if (file[0] == '\0')
        (void)snprintf(problem, size, "%s is not installed: not found in PATH", names[i]);
    else if (!a->proc)
        (void)snprintf(problem, size, "%s cannot be started", names[i]);
    else if (!a->exited)
        (void)snprintf(problem, size, "%s --version did not answer in %d s", names[i],
                       PROBE_MS / 1000);
    else if (a->code != 0)
        (void)snprintf(problem, size, "%s --version ended with code %d", names[i], a->code);
    else if (!borgmatic_version_parse(buf_str(&a->out), v))
        (void)snprintf(problem, size, "%s --version did not print a version", names[i]);
}

static void keep_said(struct probe *p)
{
    const char *line = buf_str(&p->asked[BORG].out);
    size_t n = strcspn(line, "\n"), size = sizeof p->tools.borg_said;
    if (p->tools.problem[0] == '\0' && n > 0 && line[n] == '\n' && line[n + 1] == '\0' &&
        snprintf(p->tools.borg_said, size, "%lld.%09ld %.*s", (long long)p->borg.st_mtim.tv_sec,
                 p->borg.st_mtim.tv_nsec, (int)n, line) >= (int)size)
        p->tools.borg_said[0] = '\0';
}

static void finish(struct probe *p)
{
    judge(p, BORGMATIC, p->tools.borgmatic, &p->tools.borgmatic_version);
    judge(p, BORG, p->tools.borg, &p->tools.borg_version);
    keep_said(p);
    for (size_t i = 0; i < PROGRAMS; i++) {
        if (running(&p->asked[i]))
            (void)proc_signal(p->asked[i].proc, SIGKILL);
        proc_release(TAKE(p->asked[i].proc));
    }
    p->done(p->arg, &p->tools);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void on_timer(uv_timer_t *t)
{
    finish(t->data);
}

static void next(struct probe *p)
{
    if (!running(&p->asked[BORGMATIC]) && !running(&p->asked[BORG]))
        (void)uv_timer_start(&p->timer, on_timer, 0, 0); /* not from inside a child's callback */
}

static void on_data(void *arg, enum proc_stream stream, const char *bytes, size_t n)
{
    struct asked *a = arg;
    if (stream == PROC_STDOUT)
        (void)buf_append(&a->out, bytes, n);
}

static void on_eof(void *arg, enum proc_stream stream)
{
    struct asked *a = arg;
    if (stream != PROC_STDOUT)
        return;
    a->ended = true;
    next(a->owner);
}

static void on_ended(void *arg, int code, int signal)
{
    struct asked *a = arg;
    a->exited = true;
    a->code = code;
    next(a->owner);
}

static void start(struct probe *p, uv_loop_t *loop, size_t i, const char *path,
                  const char *const *env, char *file, size_t size)
{
    AUTO_FREE char *found = proc_which(names[i], path);
    int n = found ? snprintf(file, size, "%s", found) : 0;
    if (!found || n < 0 || (size_t)n >= size) {
        file[0] = '\0';
        return;
    }
    if (i == BORG)
        (void)stat(file, &p->borg);
    const char *const argv[] = {file, "--version", NULL};
    const struct proc_spec spec = {.file = file,
                                   .argv = argv,
                                   .envp = env,
                                   .on_data = on_data,
                                   .on_eof = on_eof,
                                   .on_exit = on_ended,
                                   .arg = &p->asked[i]};
    p->asked[i].proc = proc_start(loop, &spec, NULL);
}

bool borgmatic_probe(uv_loop_t *loop, const char *path, const char *const *env,
                     void (*done)(void *arg, const struct borgmatic_tools *t), void *arg,
                     struct err *e)
{
    struct probe *p = mem_zalloc(sizeof *p);
    if (!p)
        return err_set(e, ERR_NO_MEMORY, "no memory to ask for borgmatic's version");
    p->done = done;
    p->arg = arg;
    (void)uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    for (size_t i = 0; i < PROGRAMS; i++) {
        p->asked[i].owner = p;
        buf_init(&p->asked[i].out, 4096);
    }
    start(p, loop, BORGMATIC, path, env, p->tools.borgmatic, sizeof p->tools.borgmatic);
    start(p, loop, BORG, path, env, p->tools.borg, sizeof p->tools.borg);
    (void)uv_timer_start(&p->timer, on_timer, PROBE_MS, 0);
    next(p);
    return true;
}
