#include "backup/repo/resolve_question.h"

#include "backup/control/control.h"
#include "backup/repo/resolve_record.h"
#include "backup/run/borgmatic_words.h"
#include "base/buf.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/proc.h"

#include <signal.h>
#include <string.h>

enum { OUTPUT_MAX = 64 * 1024, PIPE_GRACE_MS = 500 };

struct resolve_question {
    struct resolve_question_spec spec;
    struct borgmatic_tools tools;
    char *file; /* a copy: the worker may read it after the owner is gone */
    uv_loop_t *loop;
    uv_work_t work;
    bool scanning, dead;
    bool naming; /* the second run: which borg does the file name? */
    struct resolve_scan scan;
    struct control *control;
    struct proc *proc;
    uv_timer_t timer;
    struct buf out, err;
    bool exited, late;
    unsigned open; /* pipes not at their end */
    int code;
    unsigned shims; /* borgs recorded in this run */
    struct resolved *res;
    struct err problem; /* of a record that could not be taken */
};

static void run(struct resolve_question *q);

static void free_memory(struct resolve_question *q)
{
    mem_free(q->file);
    mem_free(q);
}

static void on_closed(uv_handle_t *h)
{
    struct resolve_question *q = h->data;
    q->timer.data = NULL;
    if (!q->scanning)
        free_memory(q);
}

static void end_run(struct resolve_question *q)
{
    if (q->proc && !q->exited) /* its own session: what it started goes with it */
        (void)kill(-proc_pid(q->proc), SIGKILL);
    proc_release(TAKE(q->proc));
    control_free(TAKE(q->control));
    buf_wipe(&q->out);
    buf_wipe(&q->err);
    (void)uv_timer_stop(&q->timer);
}

void resolve_question_free(struct resolve_question *q)
{
    if (!q)
        return;
    q->dead = true;
    end_run(q);
    resolved_unref(TAKE(q->res));
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void answer(struct resolve_question *q, const struct err *e)
{
    end_run(q);
    q->spec.done(q->spec.arg, e ? NULL : q->res, e);
}

/* ---- the end of a run ---- */

static void fail(struct resolve_question *q)
{
    struct err e = {0};
    char words[300];
    const char *text = buf_str(&q->err);
    borgmatic_words(text, words, sizeof words);
    if (q->late)
        (void)err_set(&e, ERR_TIMEOUT,
                      "borgmatic did not tell in %d s what the configuration means",
                      RESOLVE_MS / 1000);
    else if (q->problem.code != ERR_NONE)
        e = q->problem;
    else if (q->code == 0)
        (void)err_set(&e, ERR_INVALID_CONFIG, "the configuration names no repository");
    else if (words[0] != '\0')
        (void)err_set(&e, ERR_INVALID_CONFIG, "borgmatic refuses the configuration: %s", words);
    else
        (void)err_set(&e, ERR_INVALID_CONFIG, "borgmatic refuses the configuration (exit code %d)",
                      q->code);
    answer(q, &e);
}

/* With the file's own local_path borgmatic failed on a repository that is not there, and said with
 * which program. If it is the shim that was called, the file names none. */
static void learn_program(struct resolve_question *q)
{
    char name[512];
    if (q->shims == 0 && !q->late) {
        bool said = resolve_program_of(buf_str(&q->err), name, sizeof name);
        AUTO_FREE char *file = said ? proc_which(name, q->spec.path) : NULL;
        if (!file || !resolve_record_local_path(q->res, file)) {
            if (said)
                (void)err_set(&q->problem, ERR_INVALID_CONFIG,
                              "the configuration's local_path is no program that can be run");
            fail(q);
            return;
        }
    }
    if (q->late)
        fail(q);
    else
        answer(q, NULL);
}

static void on_end(struct resolve_question *q)
{
    q->late = !q->exited;
    if (q->naming) {
        learn_program(q);
        return;
    }
    if (q->late || q->code != 0 || q->problem.code != ERR_NONE || q->res->count == 0) {
        fail(q);
        return;
    }
    (void)resolve_record_labels(q->res, buf_str(&q->out));
    if (!q->scan.local_path) {
        answer(q, NULL);
        return;
    }
    end_run(q);
    q->naming = true;
    run(q);
}

static void on_timer(uv_timer_t *t)
{
    on_end(t->data);
}

static void ended(struct resolve_question *q)
{
    if (q->exited)
        (void)uv_timer_start(&q->timer, on_timer, q->open > 0 ? PIPE_GRACE_MS : 0, 0);
}

/* ---- the run ---- */

static void on_start(void *arg, const struct control_run *r)
{
    struct resolve_question *q = arg;
    q->shims++;
    if (!q->naming && q->problem.code == ERR_NONE)
        (void)resolve_record_add(q->res, r, &q->problem);
}

static void on_data(void *arg, enum proc_stream stream, const char *bytes, size_t n)
{
    struct resolve_question *q = arg;
    struct buf *b = stream == PROC_STDOUT ? &q->out : &q->err;
    size_t room = OUTPUT_MAX - b->n;
    (void)buf_append(b, bytes, n < room ? n : room);
}

static void on_eof(void *arg, enum proc_stream stream)
{
    struct resolve_question *q = arg;
    q->open--;
    ended(q);
}

static void on_ended(void *arg, int code, int signal)
{
    struct resolve_question *q = arg;
    q->exited = true;
    q->code = code;
    ended(q);
}

static const char *const *argv_of(struct resolve_question *q, struct arena *a, struct err *e)
{
    static const char *const strings[] = {"location.repositories=[/nonexistent/repository]",
                                          "storage.retries=0", NULL};
    static const char *const mappings[] = {
        "location.repositories=[{path: /nonexistent/repository}]", "storage.retries=0", NULL};
    bool old = borgmatic_version_cmp(q->tools.borgmatic_version, 1, 7, 10) < 0;
    const struct borgmatic_options o = {.sectioned = q->scan.sectioned,
                                        .overrides = !q->naming ? NULL
                                                     : old      ? strings
                                                                : mappings,
                                        .local_path = q->naming ? NULL : control_shim(q->control)};
    return borgmatic_argv(a, &q->tools, BORGMATIC_RESOLVE, q->spec.file, &o, e);
}

static bool has_name(const char *const *env, size_t n, const char *entry)
{
    size_t k = strcspn(entry, "=") + 1;
    for (size_t i = 0; i < n; i++)
        if (strncmp(env[i], entry, k) == 0)
            return true;
    return false;
}

/* The control's entries stand before those of the base. */
static void env_of(const struct resolve_question *q, const char **env)
{
    size_t n = 0;
    for (const char *const *v = control_env(q->control, q->spec.path); *v && n < CHILD_ENVS; v++)
        env[n++] = *v;
    for (const char *const *v = q->spec.env; v && *v && n < 2 * CHILD_ENVS; v++)
        if (!has_name(env, n, *v))
            env[n++] = *v;
    env[n] = NULL;
}

static bool start(struct resolve_question *q, struct err *e)
{
    const struct control_spec cs = {.state_dir = q->spec.state_dir,
                                    .borg = q->tools.borg,
                                    .borg_said = q->tools.borg_said,
                                    .record = true,
                                    .on_start = on_start,
                                    .arg = q};
    const char *env[2 * CHILD_ENVS + 1];
    struct arena a;
    q->control = control_new(q->loop, &cs, e);
    if (!q->control)
        return false;
    arena_init(&a, 64 * 1024);
    const char *const *argv = argv_of(q, &a, e);
    env_of(q, env);
    const struct proc_spec ps = {.file = q->tools.borgmatic,
                                 .argv = argv,
                                 .envp = env,
                                 .on_data = on_data,
                                 .on_eof = on_eof,
                                 .on_exit = on_ended,
                                 .arg = q};
    q->proc = argv ? proc_start(q->loop, &ps, e) : NULL;
    arena_done(&a);
    return q->proc != NULL;
}

static void run(struct resolve_question *q)
{
    struct err e = {0};
    q->exited = false;
    q->late = false;
    q->open = 2;
    q->shims = 0;
    if (!start(q, &e)) {
        answer(q, &e);
        return;
    }
    control_set_leader(q->control, proc_pid(q->proc));
    (void)uv_timer_start(&q->timer, on_timer, RESOLVE_MS, 0);
}

/* ---- the look at the text ---- */

static void scan(uv_work_t *w)
{
    struct resolve_question *q = w->data;
    resolve_scan_file(q->file, &q->scan);
}

static void on_scanned(uv_work_t *w, int status)
{
    struct resolve_question *q = w->data;
    q->scanning = false;
    if (q->dead) {
        if (!q->timer.data) /* closed already */
            free_memory(q);
        return;
    }
    q->res->sectioned = q->scan.sectioned;
    run(q);
}

struct resolve_question *
resolve_question_start(uv_loop_t *loop, const struct resolve_question_spec *spec, struct err *e)
{
    struct resolve_question *q = mem_zalloc(sizeof *q);
    struct resolved *res = q ? resolve_record_new(spec->file) : NULL;
    char *file = res ? mem_strdup(spec->file) : NULL;
    if (!file) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to ask what the configuration means");
        resolved_unref(res);
        mem_free(q);
        return NULL;
    }
    q->spec = *spec;
    q->tools = *spec->tools;
    q->file = file;
    q->loop = loop;
    q->res = res;
    buf_init(&q->out, OUTPUT_MAX);
    buf_init(&q->err, OUTPUT_MAX);
    q->work.data = q;
    int r = uv_queue_work(loop, &q->work, scan, on_scanned);
    if (r != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "no worker to read the configuration: %s",
                      uv_strerror(r));
        resolved_unref(res);
        free_memory(q);
        return NULL;
    }
    q->scanning = true;
    (void)uv_timer_init(loop, &q->timer);
    q->timer.data = q;
    return q;
}
