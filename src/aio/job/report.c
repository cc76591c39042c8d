#include "aio/job/report.h"

#include "base/json.h"
#include "base/jsonw.h"
#include "limits.h"

#include <string.h>

/* ---- what was asked for ---- */

static bool only_stops(const struct aio_wants *w)
{
    return w->stop_containers && !w->daily_backup && !w->check_backup && !w->start_containers &&
           !w->automatic_updates;
}

void aio_report_command(const struct aio_report *r, struct buf *out)
{
    (void)buf_puts(out, r->context->whitelist.daily);
    if (only_stops(r->wants))
        (void)buf_puts(out, " stop");
}

static void command(const struct aio_report *r, struct jsonw *w)
{
    struct buf text;
    buf_init(&text, LIMIT_LINE);
    aio_report_command(r, &text);
    jsonw_kstr(w, "command", buf_str(&text));
    buf_done(&text);
}

/* As sent; before that, as it will be: all five flags are always sent. */
static void env(const struct aio_report *r, struct jsonw *w)
{
    const struct aio_wants *a = r->wants;
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"DAILY_BACKUP", a->daily_backup},
                 {"CHECK_BACKUP", a->check_backup},
                 {"STOP_CONTAINERS", a->stop_containers},
                 {"START_CONTAINERS", a->start_containers},
                 {"AUTOMATIC_UPDATES", a->automatic_updates},
                 {"SEND_SUCCESS_NOTIFICATIONS", a->send_notifications}};
    jsonw_key(w, "env");
    jsonw_begin_object(w);
    for (size_t i = 0; r->outcome && i < r->outcome->env_count; i++) {
        const char *sent = r->outcome->env[i], *value = strchr(sent, '=');
        char key[AIO_ENV];
        if (!value)
            continue;
        memcpy(key, sent, (size_t)(value - sent));
        key[value - sent] = '\0';
        jsonw_kstr(w, key, value + 1);
    }
    bool sent = r->outcome && r->outcome->env_count;
    for (size_t i = 0; !sent && i < sizeof flags / sizeof *flags; i++)
        jsonw_kstr(w, flags[i].key, flags[i].value ? "1" : "0");
    jsonw_end_object(w);
}

static void target(const char *key, const struct aio_target *t, struct jsonw *w)
{
    jsonw_key(w, key);
    if (t)
        aio_target_write(t, w);
    else
        jsonw_null(w);
}

static void targets(const struct aio_report *r, struct jsonw *w)
{
    const struct aio_wants *a = r->wants;
    if (!a->target_count)
        return;
    target("target", &a->targets[0], w);
    if (a->target_count > 1) {
        jsonw_key(w, "targets");
        jsonw_begin_array(w);
        for (size_t i = 0; i < a->target_count; i++)
            aio_target_write(&a->targets[i], w);
        jsonw_end_array(w);
    }
    target("previous", r->previous, w);
}

/* The target that is back (or was in its place all the time), or why it is not. */
static void restored(const struct aio_report *r, struct jsonw *w)
{
    const struct aio_outcome *o = r->outcome;
    bool wrong = o->left || strcmp(o->word, "target_not_restored") == 0;
    if (!r->wants->target_count)
        return;
    if (o->target_restored || (r->wants->restore_after && !wrong && o->env_count)) {
        target("restored", r->previous, w);
        return;
    }
    jsonw_key(w, "restored");
    if (!wrong) {
        jsonw_null(w); /* it was not to be, or nothing was begun */
        return;
    }
    jsonw_begin_object(w);
    jsonw_kstr(w, "error", "the original target is not put back yet; its journal stands");
    jsonw_end_object(w);
}

/* ---- what came of it ---- */

/* The newest end of a text, from a line's beginning. */
static const char *tail(const char *text, size_t max)
{
    size_t n = text ? strlen(text) : 0;
    if (n <= max)
        return text ? text : "";
    const char *from = text + n - max, *line = strchr(from, '\n');
    return line && line[1] ? line + 1 : from;
}

static void state(const char *key, const json_t *of, struct jsonw *w)
{
    struct buf text;
    buf_init(&text, AIO_RESULT_MAX / 8);
    jsonw_kraw(w, key, of && json_write(of, &text) ? buf_str(&text) : NULL);
    buf_done(&text);
}

/* The backup that the reference API's "borgbackup" tells of: the first that failed, else the last.
 */
static const struct aio_backup *shown_backup(const struct aio_outcome *o)
{
    for (size_t i = 0; i < o->backup_count; i++)
        if (!o->backups[i].ok)
            return &o->backups[i];
    return o->backup_count ? &o->backups[o->backup_count - 1] : NULL;
}

static void borgbackup(const struct aio_report *r, size_t tail_max, struct jsonw *w)
{
    const struct aio_backup *b = shown_backup(r->outcome);
    if (!b)
        return;
    jsonw_key(w, "borgbackup");
    jsonw_begin_object(w);
    jsonw_kstr(w, "container", AIO_BORG_NAME);
    jsonw_kbool(w, "changed", b->container_new);
    state("before", b->before, w);
    state("after", b->after, w);
    jsonw_kbool(w, "failed", !b->ok);
    if (!b->ok) {
        jsonw_kstr(w, "message", b->sentence);
        jsonw_kstr(w, "log_tail", tail(b->log_tail, tail_max));
    }
    jsonw_end_object(w);
}

static void one_backup(const struct aio_backup *b, size_t tail_max, struct jsonw *w)
{
    jsonw_begin_object(w);
    target("target", &b->target, w);
    jsonw_kbool(w, "ok", b->ok);
    jsonw_kstr(w, "word", b->word);
    jsonw_kstr(w, "sentence", b->sentence);
    jsonw_kstr(w, "archive", b->archive[0] ? b->archive : NULL);
    jsonw_key(w, "exit_code");
    if (b->exit_code >= 0)
        jsonw_int(w, b->exit_code);
    else
        jsonw_null(w);
    jsonw_kstr(w, "container_id", b->container_id[0] ? b->container_id : NULL);
    jsonw_key(w, "evidence");
    jsonw_begin_object(w);
    jsonw_kbool(w, "container_new", b->container_new);
    jsonw_kbool(w, "finish_line", b->finish_line);
    jsonw_kbool(w, "success_line", b->success_line);
    jsonw_kbool(w, "archive_listed", b->archive_listed);
    jsonw_kbool(w, "target_as_meant", b->target_as_meant);
    jsonw_end_object(w);
    if (tail_max)
        jsonw_kstr(w, "log_tail", tail(b->log_tail, tail_max));
    jsonw_end_object(w);
}

static void stopped(const struct aio_outcome *o, struct jsonw *w)
{
    jsonw_key(w, "stopped");
    jsonw_begin_array(w);
    for (const char *p = o->stopped; *p;) {
        size_t n = strcspn(p, ",");
        if (n)
            jsonw_strn(w, p, n);
        p += n + (p[n] == ',');
    }
    jsonw_end_array(w);
}

static void dump(const struct aio_outcome *o, struct jsonw *w)
{
    jsonw_key(w, "dump");
    jsonw_begin_object(w);
    jsonw_key(w, "clean");
    if (o->dump_known)
        jsonw_bool(w, o->dump_clean);
    else
        jsonw_null(w);
    jsonw_kbool(w, "known", o->dump_known);
    jsonw_kstr(w, "problem", o->dump_problem[0] ? o->dump_problem : NULL);
    jsonw_end_object(w);
}

static void findings(const struct preflight *p, struct jsonw *w)
{
    static const char *const words[] = {[PREFLIGHT_WARNING] = "warning",
                                        [PREFLIGHT_FAILED] = "failed",
                                        [PREFLIGHT_UNKNOWN] = "unknown"};
    jsonw_key(w, "preflight");
    jsonw_begin_array(w);
    for (size_t i = 0; i < p->count; i++) {
        const struct preflight_check *c = &p->checks[i];
        if (c->result == PREFLIGHT_OK || c->result == PREFLIGHT_SKIPPED)
            continue;
        jsonw_begin_object(w);
        jsonw_kstr(w, "id", c->id);
        jsonw_kstr(w, "result", words[c->result]);
        jsonw_kstr(w, "finding", c->finding);
        jsonw_kstr(w, "remedy", c->remedy);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void script(const struct aio_report *r, size_t tail_max, struct jsonw *w)
{
    const struct aio_outcome *o = r->outcome;
    jsonw_key(w, "returncode");
    if (o->returncode >= 0)
        jsonw_int(w, o->returncode);
    else
        jsonw_null(w);
    jsonw_kstr(w, "stdout", tail(o->out, tail_max));
    jsonw_kstr(w, "stderr", tail(o->err, tail_max));
    command(r, w);
    env(r, w);
}

static void service(const struct aio_outcome *o, struct jsonw *w)
{
    jsonw_key(w, "downtime_seconds");
    if (o->down_ms >= 0)
        jsonw_seconds(w, (double)o->down_ms / 1000);
    else
        jsonw_null(w);
    jsonw_kbool(w, "stack_was_up", o->stack_was_up);
    jsonw_key(w, "service");
    if (o->service_checked)
        aio_service_write(&o->service, w);
    else
        jsonw_null(w);
}

static void write_result(const struct aio_report *r, size_t stream_max, size_t log_max,
                         struct buf *out)
{
    const struct aio_outcome *o = r->outcome;
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    script(r, stream_max, &w);
    borgbackup(r, log_max, &w);
    targets(r, &w);
    restored(r, &w);
    jsonw_key(&w, "backups");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < o->backup_count; i++)
        one_backup(&o->backups[i], log_max, &w);
    jsonw_end_array(&w);
    stopped(o, &w);
    if (r->wants->stop_containers || o->dump_known)
        dump(o, &w);
    service(o, &w);
    findings(&o->preflight, &w);
    jsonw_kbool(&w, "cancelled", o->cancelled);
    jsonw_kbool(&w, "still_running", o->still_running);
    if (r->hint && *r->hint)
        jsonw_kstr(&w, "hint", r->hint);
    jsonw_end_object(&w);
}

void aio_report_result(const struct aio_report *r, struct buf *out)
{
    size_t before = out->n;
    write_result(r, AIO_STREAM_TAIL, AIO_RESULT_LOG, out);
    if (!out->failed && out->n - before <= AIO_RESULT_MAX)
        return;
    out->failed = false;
    out->n = before;
    write_result(r, 0, 0, out);
}

void aio_report_verdict(const struct aio_report *r, struct buf *out)
{
    const struct aio_outcome *o = r->outcome;
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "word", o->word);
    jsonw_kstr(&w, "sentence", o->sentence);
    jsonw_key(&w, "evidence");
    jsonw_begin_object(&w);
    jsonw_key(&w, "backups");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < o->backup_count; i++)
        one_backup(&o->backups[i], 0, &w);
    jsonw_end_array(&w);
    service(o, &w);
    restored(r, &w);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

void aio_report_status(const struct aio_report *r, struct buf *out)
{
    struct buf object;
    struct jsonw w;
    buf_init(&object, AIO_RESULT_MAX);
    jsonw_init(&w, &object);
    jsonw_begin_object(&w);
    env(r, &w);
    targets(r, &w);
    if (r->outcome) {
        restored(r, &w);
        borgbackup(r, AIO_RESULT_LOG, &w);
    }
    jsonw_end_object(&w);
    if (!object.failed && object.n > 2)
        (void)buf_append(out, object.p + 1, object.n - 2);
    buf_done(&object);
}
