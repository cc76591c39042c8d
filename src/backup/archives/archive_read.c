#include "backup/archives/archive_read.h"

#include "backup/control/secret_pipe.h"
#include "backup/create/verdict.h"
#include "backup/run/borg_command.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/proc.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct archive_read {
    uv_timer_t timer;
    struct proc *proc;
    struct buf out, line; /* borg's document; the stderr line being gathered */
    bool line_cut;        /* the rest of a line that is too long is dropped */
    struct verdict *why;
    bool named; /* one archive was asked for by its name */
    int64_t since_ms, until_ms;
    size_t max;
    bool exited, late;
    unsigned open; /* pipes not at their end */
    int code, signal;
    void (*done)(void *arg, const json_t *archives, const struct err *e);
    void *arg;
};

int64_t archive_read_time(const char *text)
{
    struct tm tm = {0};
    int end = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        (text[end] != '\0' && text[end] != '.'))
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

static void on_closed(uv_handle_t *h)
{
    struct archive_read *r = h->data;
    buf_done(&r->out);
    buf_done(&r->line);
    verdict_free(r->why);
    mem_free(r);
}

void archive_read_cancel(struct archive_read *r)
{
    if (!r)
        return;
    if (!r->exited) /* its own session: what it started goes with it */
        (void)kill(-proc_pid(r->proc), SIGTERM);
    proc_release(TAKE(r->proc));
    uv_close((uv_handle_t *)&r->timer, on_closed);
}

/* ---- the answer ---- */

/* A time without a fraction stands for its whole second. */
static bool in_time(const struct archive_read *r, const json_t *archive)
{
    const char *text = json_get_str(archive, "start", ""), *fraction = strchr(text, '.');
    int64_t seconds = archive_read_time(text);
    if (r->named || seconds < 0)
        return r->named;
    int64_t ms = 0;
    for (int i = 0, unit = 100; fraction && i < 3 && isdigit((unsigned char)fraction[1 + i]); i++) {
        ms += unit * (fraction[1 + i] - '0');
        unit /= 10;
    }
    int64_t first = 1000 * seconds + ms, last = fraction ? first : first + 999;
    return last >= r->since_ms && (r->until_ms == 0 || first <= r->until_ms);
}

/* The wanted elements of borg's document, newest first; NULL when it has another shape. */
static json_t *pick(const struct archive_read *r, const json_t *document, struct err *e)
{
    const json_t *archives = json_object_get(document, "archives");
    json_t *list = json_is_array(archives) ? json_array() : NULL;
    if (!list) {
        (void)err_set(e, ERR_COMMAND_FAILED, "borg's answer holds no list of archives");
        return NULL;
    }
    for (size_t i = json_array_size(archives); i > 0 && json_array_size(list) < r->max; i--) {
        json_t *archive = json_array_get(archives, i - 1);
        if (json_is_object(archive) && in_time(r, archive))
            (void)json_array_append(list, archive);
    }
    return list;
}

static bool borg_ended_well(struct archive_read *r, struct err *e)
{
    if (r->late)
        return err_set(e, ERR_TIMEOUT, "borg did not answer in %d s", VERIFY_MS / 1000);
    if (r->signal == 0 && (r->code == 0 || r->code == 1 || (r->code >= 100 && r->code < 128)))
        return true;
    struct verdict_result v;
    verdict_exit(r->why, r->code, r->signal);
    verdict_result(r->why, &v);
    return err_set(e, v.api == ERR_BACKUP_FAILED || v.api == ERR_NONE ? ERR_COMMAND_FAILED : v.api,
                   "%s", v.sentence);
}

static json_t *answer(struct archive_read *r, struct err *e)
{
    if (!borg_ended_well(r, e))
        return NULL;
    if (r->out.failed) {
        (void)err_set(e, ERR_COMMAND_FAILED, "borg's answer is longer than %d bytes", ARCHIVE_JSON);
        return NULL;
    }
    json_t *document = json_parse(buf_str(&r->out), r->out.n, NULL);
    if (!document) {
        (void)err_set(e, ERR_COMMAND_FAILED, "borg's answer is not json");
        return NULL;
    }
    json_t *found = pick(r, document, e);
    json_decref(document);
    return found;
}

static void finish(struct archive_read *r)
{
    struct err e = {0};
    if (r->late)
        (void)kill(-proc_pid(r->proc), SIGKILL);
    json_t *found = answer(r, &e);
    r->done(r->arg, found, found ? NULL : &e);
    json_decref(found);
    r->exited = true;
    archive_read_cancel(r);
}

static void on_timer(uv_timer_t *t)
{
    struct archive_read *r = t->data;
    r->late = !r->exited;
    finish(r);
}

static void ended(struct archive_read *r)
{
    /* ssh may keep the pipe open a moment longer than borg: the document is whole by then. */
    if (r->exited)
        (void)uv_timer_start(&r->timer, on_timer, r->open > 0 ? 1000 : 0, 0);
}

/* ---- the child ---- */

static void hear(struct archive_read *r)
{
    const char *p = buf_str(&r->line);
    size_t n = r->line.n;
    json_t *message = n > 0 && p[0] == '{' ? json_parse(p, n, NULL) : NULL;
    if (message)
        verdict_message(r->why, message);
    else
        verdict_text(r->why, p, n);
    json_decref(message);
    buf_reset(&r->line);
}

static void on_stderr(struct archive_read *r, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t k = end ? (size_t)(end - bytes) : n;
        if (!r->line_cut && !buf_append(&r->line, bytes, k))
            r->line_cut = true;
        if (end) {
            r->line_cut = false;
            hear(r);
            k++;
        }
        bytes += k;
        n -= k;
    }
}

static void on_data(void *arg, enum proc_stream stream, const char *bytes, size_t n)
{
    struct archive_read *r = arg;
    if (stream == PROC_STDOUT)
        (void)buf_append(&r->out, bytes, n);
    else
        on_stderr(r, bytes, n);
}

static void on_eof(void *arg, enum proc_stream stream)
{
    struct archive_read *r = arg;
    if (stream == PROC_STDERR && r->line.n > 0)
        hear(r);
    r->open--;
    ended(r);
}

static void on_ended(void *arg, int code, int signal)
{
    struct archive_read *r = arg;
    r->exited = true;
    r->code = code;
    r->signal = signal;
    ended(r);
}

static struct proc *start_borg(uv_loop_t *loop, struct archive_read *r,
                               const struct archive_read_spec *spec, const char *const *verb,
                               struct err *e)
{
    const struct secret *pass = spec->passphrase ? spec->passphrase : spec->repo->passphrase;
    struct proc *proc = NULL;
    struct arena a;
    arena_init(&a, LIMIT_ARENA);
    const struct borg_command cmd = {.borg = spec->borg,
                                     .repo = spec->repo,
                                     .archive = spec->archive,
                                     .verb = verb,
                                     .env = spec->env};
    const char *const *argv = borg_command_argv(&a, &cmd, e);
    const char *const *env = borg_command_env(&a, &cmd, pass != NULL, e);
    int fd = argv && env && pass ? secret_pipe(pass, e) : 0;
    if (argv && env && fd >= 0) {
        const struct proc_spec ps = {.file = spec->borg,
                                     .argv = argv,
                                     .envp = env,
                                     .pass_fd = fd,
                                     .on_data = on_data,
                                     .on_eof = on_eof,
                                     .on_exit = on_ended,
                                     .arg = r};
        proc = proc_start(loop, &ps, e);
    }
    if (fd > 0)
        (void)close(fd);
    arena_done(&a);
    return proc;
}

static struct proc *start_verb(uv_loop_t *loop, struct archive_read *r,
                               const struct archive_read_spec *spec, struct err *e)
{
    char last[16];
    (void)snprintf(last, sizeof last, "%zu", r->max);
    const char *const named[] = {"info", "--json", NULL};
    const char *const newest[] = {"info", "--json", "--last", last, NULL};
    return start_borg(loop, r, spec, spec->archive ? named : newest, e);
}

struct archive_read *archive_read_start(uv_loop_t *loop, const struct archive_read_spec *spec,
                                        struct err *e)
{
    struct archive_read *r = mem_zalloc(sizeof *r);
    if (r) {
        *r = (struct archive_read){.named = spec->archive != NULL,
                                   .since_ms = spec->since_ms,
                                   .until_ms = spec->until_ms,
                                   .max = spec->max > 0 ? (size_t)spec->max : 1,
                                   .open = 2,
                                   .done = spec->done,
                                   .arg = spec->arg,
                                   .why = verdict_new()};
        buf_init(&r->out, ARCHIVE_JSON);
        buf_init(&r->line, LIMIT_LINE);
    }
    if (!r || !r->why) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to ask borg");
        mem_free(r);
        return NULL;
    }
    r->proc = start_verb(loop, r, spec, e);
    if (!r->proc) {
        verdict_free(r->why);
        mem_free(r);
        return NULL;
    }
    (void)uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    (void)uv_timer_start(&r->timer, on_timer, VERIFY_MS, 0);
    if (spec->started)
        spec->started(spec->arg, proc_pid(r->proc));
    return r;
}
