/* Starting the programs of an operation, what they say, and how they end. */
#include "backup/control/secret_pipe.h"
#include "backup/run/borg_command.h"
#include "backup/run/operation_internal.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "sys/pty.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what the program says ---- */

static void on_stdout(void *arg, const char *p, size_t n)
{
    struct operation *op = arg;
    if (op->on_stdout)
        op->on_stdout(op->data, p, n);
    else
        (void)buf_append(&op->out, p, n);
}

static void say(struct operation *op, enum event_kind kind, const char *text)
{
    while (text && *text) { /* several lines may come in one message */
        size_t n = strcspn(text, "\n");
        run_show(op->run, kind, text, n);
        text += n + (text[n] == '\n');
    }
}

/* borg's message as the line that a reader would have seen. */
static void show_message(struct operation *op, const json_t *m)
{
    const char *type = json_get_str(m, "type", "");
    if (strcmp(type, "file_status") == 0) {
        AUTO_FREE char *line =
            mem_printf("%s %s", json_get_str(m, "status", "?"), json_get_str(m, "path", ""));
        say(op, EVENT_STDOUT, line);
    } else if (strcmp(type, "log_message") == 0) {
        bool output = strncmp(json_get_str(m, "name", ""), "borg.output.", 12) == 0;
        say(op, output ? EVENT_STDOUT : EVENT_STDERR, json_get_str(m, "message", ""));
    } else {
        say(op, EVENT_STDERR, json_get_str(m, "message", ""));
    }
}

static bool on_borg_line(void *arg, const char *line, size_t n)
{
    struct operation *op = arg;
    json_t *m = n > 0 && line[0] == '{' ? json_parse(line, n, NULL) : NULL;
    if (!m) {
        verdict_text(op->current->verdict, line, n);
        return false;
    }
    verdict_message(op->current->verdict, m);
    uint64_t now = uv_now(op->context.loop);
    if (progress_feed(&op->progress.progress, m, now))
        progress_show(&op->progress, op->job, op->run, op->current->repo, now, false);
    else
        show_message(op, m);
    json_decref(m);
    return true;
}

/* ---- the course ---- */

static void keep_tails(struct operation *op)
{
    mem_free(op->out_tail);
    mem_free(op->err_tail);
    op->out_tail = mem_strdup(run_stdout_tail(op->run));
    op->err_tail = mem_strdup(run_stderr_tail(op->run));
}

static void note_exit(struct operation *op, int code, int signal)
{
    struct operation_repo *r = op->current;
    if (!r || op->by_borgmatic)
        return;
    verdict_exit(r->verdict, code, signal);
    r->exited = r->main_ran = true;
    r->code = code;
    r->signal = signal;
    op->result.verdict = r->verdict;
}

static void on_run_done(void *arg, int code, int signal, size_t left)
{
    struct operation *op = arg;
    op->over_before_stop = !op->stopping;
    op->result = (struct operation_result){
        .ran = true, .stopped = op->stopping, .code = code, .signal = signal, .left = left};
    note_exit(op, code, signal);
    op->result.out = buf_str(&op->out);
    op->result.out_len = op->out.n;
    op->result.out_cut = op->out.failed;
    keep_tails(op);
    op->result.stdout_tail = op->out_tail ? op->out_tail : "";
    op->result.stderr_tail = op->err_tail ? op->err_tail : "";
    run_free(TAKE(op->run));
    op->control = NULL;
    op->plan->step(op, op->data, &op->result);
}

bool operation_open_control(struct operation *op, struct control_spec *spec, struct err *e)
{
    spec->state_dir = op->context.state_dir;
    bool other = op->config && op->config->local_path;
    spec->borg = other ? op->config->local_path : op->tools.borg;
    spec->borg_said = other ? NULL : op->tools.borg_said;
    spec->borg_passphrase = op->borg_passphrase;
    spec->ssh_passphrase = op->ssh_passphrase;
    op->control = control_new(op->context.loop, spec, e);
    return op->control != NULL;
}

/* What the output must not show beside the caller's two secrets; NULL-terminated. */
static void list_masked(const struct operation *op, const struct secret **out)
{
    size_t n = 0;
    for (size_t i = 0; op->config && i < op->config->count; i++)
        if (op->config->repos[i].passphrase)
            out[n++] = op->config->repos[i].passphrase;
    for (size_t i = 0; i < CONTEXT_MASKED; i++)
        if (op->context.masked[i])
            out[n++] = op->context.masked[i];
    if (op->more_masked)
        out[n++] = op->more_masked;
    for (size_t i = 0; i < op->mask_count; i++)
        out[n++] = op->masks[i];
    out[n] = NULL;
}

static void tell_recovery(struct operation *op)
{
    const char *before = job_private(op->job);
    json_t *o = before ? json_parse(before, strlen(before), NULL) : json_object();
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    if (o && json_object_set_new(o, "control_dir", json_string(control_dir(op->control))) == 0 &&
        json_write(o, &b))
        job_set_private(op->job, buf_str(&b));
    json_decref(o);
    buf_done(&b);
}

bool operation_start(struct operation *op, const struct operation_start *s, struct err *e)
{
    const struct secret *masked[LIMIT_REPOS + CONTEXT_MASKED + LIMIT_YAML_MASKS + 2];
    list_masked(op, masked);
    char cwd[64];
    (void)snprintf(cwd, sizeof cwd, "/proc/self/fd/%d", s->cwd_fd);
    buf_reset(&op->out);
    op->out.max = s->keep_max ? s->keep_max : LIMIT_SPOOL;
    op->on_stdout = s->on_stdout;
    struct run_spec spec = {.loop = op->context.loop,
                            .job = op->job,
                            .file = s->file,
                            .argv = s->argv,
                            .env = s->env,
                            .path = op->context.path,
                            .tz = s->direct ? "UTC" : op->context.tz,
                            .direct = s->direct,
                            .pass_fd = s->pass_fd,
                            .cwd = s->cwd_fd > 0 ? cwd : NULL,
                            .borg_passphrase = op->borg_passphrase,
                            .ssh_passphrase = op->ssh_passphrase,
                            .masked = masked,
                            .control = op->control,
                            .on_stdout = s->out == OPERATION_LINES ? NULL : on_stdout,
                            .on_stderr = s->hear_borg ? on_borg_line : NULL,
                            .done = on_run_done,
                            .arg = op};
    tell_recovery(op);
    op->run = run_start(&spec, e);
    if (op->run) {
        job_set_pid(op->job, run_pid(op->run));
        return true;
    }
    control_free(op->control);
    op->control = NULL;
    return false;
}

const char *const *operation_join(struct arena *a, const char *const *base, const char *const *more)
{
    size_t n = 0, k = 0;
    while (base[n])
        n++;
    while (more && more[k])
        k++;
    const char **all = arena_alloc(a, (n + k + 1) * sizeof *all);
    if (!all)
        return NULL;
    memcpy(all, base, n * sizeof *all);
    if (k)
        memcpy(all + n, more, k * sizeof *all);
    all[n + k] = NULL;
    return all;
}

/* A use of our own program goes before borg and becomes it. */
static bool put_before(struct operation_start *s, const char *const *words, struct arena *a,
                       struct err *e)
{
    s->file = "/proc/self/exe";
    s->argv = operation_join(a, words, s->argv);
    return s->argv || err_set(e, ERR_NO_MEMORY, "no memory to start borg");
}

static bool launch_borg(struct operation *op, const struct operation_borg *b, struct arena *a,
                        struct err *e)
{
    const struct resolved_repo *repo = b->repo->repo;
    const struct secret *pass = op->borg_passphrase ? op->borg_passphrase : repo->passphrase;
    if (b->passphrase)
        pass = b->passphrase;
    if (b->tty_fd > 0)
        pass = NULL;
    const struct borg_command cmd = {.borg = op->config->local_path ? op->config->local_path
                                                                    : op->tools.borg,
                                     .repo = repo,
                                     .archive = b->archive,
                                     .verb = b->verb,
                                     .tail = b->tail,
                                     .env = operation_join(a, op->context.env, b->env),
                                     .lock_wait_s = b->lock_wait_s,
                                     .asks = b->tty_fd > 0};
    if (!cmd.env)
        return err_set(e, ERR_NO_MEMORY, "no memory to start borg");
    struct operation_start s = {.file = cmd.borg,
                                .argv = borg_command_argv(a, &cmd, e),
                                .env = borg_command_env(a, &cmd, pass != NULL, e),
                                .direct = true,
                                .cwd_fd = b->cwd_fd,
                                .out = b->out,
                                .keep_max = b->keep_max,
                                .on_stdout = b->on_stdout,
                                .hear_borg = true};
    if (!s.argv || !s.env)
        return false;
    const char *const confined[] = {"confine", b->confined, NULL};
    if (b->confined && !put_before(&s, confined, a, e))
        return false;
    static const char *const terminal[] = {PTY_PROGRAM, NULL};
    if (b->tty_fd > 0 && !put_before(&s, terminal, a, e))
        return false;
    if (b->tty_fd > 0)
        s.pass_fd = b->tty_fd;
    if (pass && (s.pass_fd = secret_pipe(pass, e)) < 0)
        return false;
    struct control_spec control = {.ssh_key = b->ssh_key, .arg = op};
    bool started = operation_open_control(op, &control, e) && operation_start(op, &s, e);
    if (pass && s.pass_fd > 0)
        (void)close(s.pass_fd);
    return started;
}

bool operation_borg(struct operation *op, const struct operation_borg *b, struct err *e)
{
    struct arena a;
    op->by_borgmatic = false;
    op->current = b->repo;
    if (!operation_repo_begin(op, b->repo))
        return err_set(e, ERR_NO_MEMORY, "no memory to start borg");
    arena_init(&a, LIMIT_ARENA);
    bool started = launch_borg(op, b, &a, e);
    arena_done(&a);
    return started;
}

bool operation_program(struct operation *op, const struct operation_program *p, struct err *e)
{
    struct arena a;
    struct control_spec control = {.ssh_key = p->ssh_key, .new_key = p->new_key, .arg = op};
    op->by_borgmatic = false;
    op->current = NULL;
    arena_init(&a, LIMIT_ARENA);
    struct operation_start s = {.file = p->file,
                                .argv = p->argv,
                                .env = operation_join(&a, op->context.env, p->env),
                                .direct = true,
                                .cwd_fd = p->cwd_fd,
                                .out = p->out,
                                .keep_max = p->keep_max};
    bool started = s.env ? operation_open_control(op, &control, e) && operation_start(op, &s, e)
                         : err_set(e, ERR_NO_MEMORY, "no memory to start a program");
    arena_done(&a);
    return started;
}
