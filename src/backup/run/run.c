#include "backup/run/run.h"

#include "base/mem.h"
#include "jobs/lines.h"
#include "jobs/redact.h"
#include "limits.h"
#include "sys/ending.h"
#include "sys/proc.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    TAIL = 8 * 1024,    /* kept of each stream for the answer and the verdict */
    EOF_WAIT_MS = 1000, /* a stranger may hold our pipe: not waited for longer */
    STREAMS = 2,
};

struct run {
    uv_loop_t *loop;
    struct hub_job *hub;
    struct proc *proc;
    struct control *control;
    struct redact *redact;
    struct ending *ending;
    uv_timer_t eof_timer;
    struct side {
        struct run *run;
        enum event_kind kind;
        struct lines *lines;
        struct buf tail;
        bool eof;
    } sides[STREAMS];
    char *marker;
    bool exited, stopping, nobody_left, finished;
    bool paused; /* by the owner */
    bool gentle;
    int code, signal;
    size_t left;
    void (*on_stdout)(void *arg, const char *p, size_t n);
    bool (*on_stderr)(void *arg, const char *line, size_t n);
    void (*done)(void *arg, int code, int signal, size_t left);
    void *arg;
};

/* ---- output ---- */

static void keep_tail(struct buf *tail, const char *text, size_t n)
{
    size_t most = TAIL / 2 - 1;
    if (n > most) {
        text += n - most;
        n = most;
    }
    if (tail->n + n + 1 > TAIL)
        buf_consume(tail, tail->n - tail->n / 2);
    if (tail->n + n + 1 > TAIL)
        buf_reset(tail);
    (void)buf_append(tail, text, n);
    (void)buf_putc(tail, '\n');
}

static void on_line(void *arg, const char *text, size_t n)
{
    struct side *s = arg;
    struct run *r = s->run;
    if (s->kind == EVENT_STDERR && r->on_stderr && r->on_stderr(r->arg, text, n))
        return;
    keep_tail(&s->tail, text, n);
    hub_append(r->hub, s->kind, text, n, NULL);
}

static void on_data(void *arg, enum proc_stream stream, const char *p, size_t n)
{
    struct run *r = arg;
    if (stream == PROC_STDOUT && r->on_stdout) {
        r->on_stdout(r->arg, p, n);
        return;
    }
    lines_feed(r->sides[stream].lines, p, n, uv_now(r->loop));
    if (!hub_writable(r->hub))
        proc_pause(r->proc, true);
}

static void on_hub_ready(void *arg)
{
    struct run *r = arg;
    if (r->proc && !r->paused)
        proc_pause(r->proc, false);
}

static void finish_if_over(struct run *r);

void run_pause(struct run *r, bool pause)
{
    r->paused = pause;
    if (r->proc)
        proc_pause(r->proc, pause || !hub_writable(r->hub));
    if (!pause && r->proc)
        finish_if_over(r); /* its pipes may be waited for again */
}

static void end_side(struct run *r, size_t k)
{
    struct side *s = &r->sides[k];
    if (s->eof)
        return;
    s->eof = true;
    lines_end(s->lines);
    static const char *const words[STREAMS] = {"stdout.done", "stderr.done"};
    hub_append(r->hub, EVENT_DONE, words[k], strlen(words[k]), NULL);
}

static void on_eof(void *arg, enum proc_stream stream)
{
    end_side(arg, stream);
    finish_if_over(arg);
}

/* ---- the end ---- */

static void on_eof_timer(uv_timer_t *t)
{
    struct run *r = t->data;
    if (r->paused)
        return; /* what is still in its pipes is wanted */
    end_side(r, PROC_STDOUT);
    end_side(r, PROC_STDERR);
    finish_if_over(r);
}

static void finish_if_over(struct run *r)
{
    if (r->finished || !r->exited || !r->nobody_left)
        return;
    if (!r->sides[PROC_STDOUT].eof || !r->sides[PROC_STDERR].eof) {
        if (!r->paused && !uv_is_active((uv_handle_t *)&r->eof_timer))
            (void)uv_timer_start(&r->eof_timer, on_eof_timer, EOF_WAIT_MS, 0);
        return;
    }
    r->finished = true;
    r->done(r->arg, r->code, r->signal, r->left);
}

static void on_nobody_left(void *arg, size_t left)
{
    struct run *r = arg;
    r->nobody_left = true;
    r->left = left;
    finish_if_over(r);
}

static unsigned ask_borg(void *arg)
{
    struct run *r = arg;
    return r->gentle ? control_signal_borg(r->control, SIGINT) : 0;
}

static void start_ending(struct run *r, unsigned (*ask)(void *))
{
    struct ending_spec spec = {.entry = r->marker, .ask = ask, .done = on_nobody_left, .arg = r};
    r->ending = ending_start(r->loop, &spec);
    if (!r->ending) { /* no memory to look: what the child itself did must do */
        (void)proc_signal(r->proc, SIGTERM);
        on_nobody_left(r, 0);
    }
}

static void on_child_exit(void *arg, int code, int signal)
{
    struct run *r = arg;
    r->exited = true;
    r->code = code;
    r->signal = signal;
    if (!r->ending)
        start_ending(r, NULL);
    else
        finish_if_over(r);
}

void run_stop(struct run *r)
{
    if (r->stopping)
        return;
    r->stopping = true;
    if (r->ending)
        ending_hurry(r->ending); /* it had ended and somebody lingers */
    else
        start_ending(r, ask_borg);
}

void run_hurry(struct run *r)
{
    if (r->stopping)
        ending_hurry(r->ending);
}

/* ---- the start ---- */

static bool name_is(const char *entry, const char *name)
{
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* borgmatic's own: the shim and the temporary folder are not for a borg that we run directly. */
static bool is_borgmatics(const char *entry)
{
    return name_is(entry, "PATH") || name_is(entry, "TMPDIR");
}

/* The base, less what the control or we give ourselves, then those; `path`, of a direct borg,
 * stands for the control's own entry. */
static size_t build_env(const char **env, const char *const *base, const char *const *control,
                        const char *marker, const char *tz, const char *path)
{
    size_t n = 0;
    for (; *base && n < CHILD_ENVS; base++) {
        bool ours =
            name_is(*base, "TZ") || same_name(*base, marker) || (path && same_name(*base, path));
        for (const char *const *c = control; *c && !ours; c++)
            ours = same_name(*base, *c) && !(path && is_borgmatics(*c));
        if (!ours)
            env[n++] = *base;
    }
    for (; *control && n < 2 * CHILD_ENVS - 4; control++)
        if (!path || !is_borgmatics(*control))
            env[n++] = *control;
    if (path)
        env[n++] = path;
    env[n++] = marker;
    if (tz)
        env[n++] = tz;
    env[n] = NULL;
    return n;
}

static bool add_needles(struct run *r, const struct run_spec *s)
{
    if (s->borg_passphrase && secret_len(s->borg_passphrase) &&
        !redact_add(r->redact, s->borg_passphrase, true))
        return false;
    if (s->ssh_passphrase && !redact_add(r->redact, s->ssh_passphrase, true))
        return false;
    for (const struct secret *const *m = s->masked; m && *m; m++)
        if (secret_len(*m) >= SECRET_MIN && !redact_add(r->redact, *m, false))
            return false;
    return true;
}

static bool prepare(struct run *r, const struct run_spec *s, struct err *e)
{
    r->redact = redact_new();
    r->marker = mem_printf("BORGMATIC_API_JOB=%s", job_id(s->job));
    for (size_t k = 0; k < STREAMS; k++) {
        struct side *side = &r->sides[k];
        side->run = r;
        side->kind = k == PROC_STDOUT ? EVENT_STDOUT : EVENT_STDERR;
        buf_init(&side->tail, TAIL);
    }
    if (!r->redact || !r->marker || !add_needles(r, s))
        return err_set(e, ERR_NO_MEMORY, "no memory to start a program");
    for (size_t k = 0; k < STREAMS; k++)
        if (!(r->sides[k].lines = lines_new(r->redact, on_line, &r->sides[k])))
            return err_set(e, ERR_NO_MEMORY, "no memory to start a program");
    return true;
}

static bool spawn(struct run *r, const struct run_spec *s, struct err *e)
{
    const char *env[2 * CHILD_ENVS];
    AUTO_FREE char *tz = s->tz && *s->tz ? mem_printf("TZ=%s", s->tz) : NULL;
    AUTO_FREE char *path = s->direct ? mem_printf("PATH=%s", s->path) : NULL;
    const char *const *ours = control_env(s->control, s->path);
    if (!ours || (s->direct && !path))
        return err_set(e, ERR_NO_MEMORY, "no memory to start a program");
    (void)build_env(env, s->env, ours, r->marker, tz, path);
    struct proc_spec p = {.file = s->file,
                          .argv = s->argv,
                          .envp = env,
                          .cwd = s->cwd,
                          .pass_fd = s->pass_fd,
                          .on_data = on_data,
                          .on_eof = on_eof,
                          .on_exit = on_child_exit,
                          .arg = r};
    r->proc = proc_start(s->loop, &p, e);
    return r->proc != NULL;
}

static void run_drop(struct run *r)
{
    for (size_t k = 0; k < STREAMS; k++) {
        lines_free(r->sides[k].lines);
        buf_wipe(&r->sides[k].tail);
    }
    redact_free(r->redact);
    mem_free(r->marker);
    mem_free(r);
}

struct run *run_start(const struct run_spec *s, struct err *e)
{
    struct run *r = mem_zalloc(sizeof *r);
    if (!r) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to start a program");
        return NULL;
    }
    r->loop = s->loop;
    r->hub = job_hub(s->job);
    r->gentle = s->gentle;
    r->on_stdout = s->on_stdout;
    r->on_stderr = s->on_stderr;
    r->done = s->done;
    r->arg = s->arg;
    if (!prepare(r, s, e) || !spawn(r, s, e)) {
        run_drop(r);
        return NULL;
    }
    r->control = s->control;
    control_set_leader(r->control, proc_pid(r->proc));
    hub_on_ready(r->hub, on_hub_ready, r);
    (void)uv_timer_init(s->loop, &r->eof_timer);
    r->eof_timer.data = r;
    return r;
}

struct control *run_control(struct run *r)
{
    return r->control;
}

pid_t run_pid(const struct run *r)
{
    return proc_pid(r->proc);
}

void run_say(struct run *r, const char *line, size_t n)
{
    if (!r->sides[PROC_STDERR].eof)
        hub_append(r->hub, EVENT_STDERR, line, n, NULL);
}

void run_show(struct run *r, enum event_kind kind, const char *line, size_t n)
{
    keep_tail(&r->sides[kind == EVENT_STDOUT ? PROC_STDOUT : PROC_STDERR].tail, line, n);
    hub_append(r->hub, kind, line, n, NULL);
}

const char *run_stdout_tail(const struct run *r)
{
    return buf_str(&r->sides[PROC_STDOUT].tail);
}

const char *run_stderr_tail(const struct run *r)
{
    return buf_str(&r->sides[PROC_STDERR].tail);
}

const struct redact *run_redact(const struct run *r)
{
    return r->redact;
}

static void on_timer_closed(uv_handle_t *h)
{
    run_drop(h->data);
}

void run_free(struct run *r)
{
    if (!r)
        return;
    hub_on_ready(r->hub, NULL, NULL);
    ending_free(r->ending);
    proc_release(r->proc);
    r->proc = NULL;
    control_free(r->control);
    uv_close((uv_handle_t *)&r->eof_timer, on_timer_closed);
}
