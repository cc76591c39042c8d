#include "aio/job/quiesce_internal.h"
#include "aio/job/report.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* ---- the outcome of the inner work ---- */

void quiesce_drop_outcome(struct quiesce *q)
{
    const char *const texts[] = {q->outcome.word,  q->outcome.sentence,    q->outcome.verdict_json,
                                 q->outcome.field, q->outcome.stdout_tail, q->outcome.stderr_tail};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mem_free((void *)(uintptr_t)texts[i]);
    q->outcome = (struct job_outcome){0};
}

void quiesce_keep_outcome(struct quiesce *q, const struct job_outcome *o)
{
    q->outcome = *o;
    q->outcome.word = mem_strdup(o->word);
    q->outcome.sentence = mem_strdup(o->sentence);
    q->outcome.verdict_json = mem_strdup(o->verdict_json);
    q->outcome.field = mem_strdup(o->field);
    q->outcome.stdout_tail = mem_strdup(o->stdout_tail);
    q->outcome.stderr_tail = mem_strdup(o->stderr_tail);
    q->stop_counts = job_stopping(q->job, NULL);
}

/* ---- "aio" of the result ---- */

/* The reference API's answer of a stop, with what was stopped and what of the dump is known. */
static void official_stop(const struct quiesce *q, struct jsonw *w)
{
    static const char *const wanted[] = {"returncode", "stdout",  "stderr", "command",
                                         "env",        "stopped", "dump",   "hint"};
    const struct aio_wants wants = {.stop_containers = true};
    const struct aio_report r = {
        .context = q->means.context, .wants = &wants, .outcome = q->down.out, .hint = q->down.hint};
    struct buf text, one;
    buf_init(&text, LIMIT_RECORD);
    buf_init(&one, LIMIT_RECORD);
    aio_report_result(&r, &text);
    json_t *all = json_parse(buf_str(&text), text.n, NULL);
    jsonw_begin_object(w);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const json_t *v = json_object_get(all, wanted[i]);
        buf_reset(&one);
        if (v && json_write(v, &one))
            jsonw_kraw(w, wanted[i], buf_str(&one));
    }
    jsonw_end_object(w);
    json_decref(all);
    buf_done(&text);
    buf_done(&one);
}

static void stop_members(const struct quiesce *q, struct jsonw *w)
{
    jsonw_key(w, "official_daily_stop");
    if (q->down.skipped) {
        jsonw_begin_object(w);
        jsonw_kbool(w, "skipped", true);
        jsonw_kstr(w, "reason", "none of Nextcloud's containers ran");
        jsonw_end_object(w);
    } else if (q->down.begun) {
        official_stop(q, w);
    } else {
        jsonw_null(w);
    }
    jsonw_kbool(w, "stopped", q->down.begun && q->down.ok);
    if (q->down.ok || q->down.api == ERR_NONE)
        return;
    jsonw_key(w, "failure");
    jsonw_begin_object(w);
    jsonw_kstr(w, "error", err_word(q->down.api));
    jsonw_kstr(w, "message", q->down.sentence);
    jsonw_kstr(w, "field", q->down.field);
    jsonw_end_object(w);
}

static const char *start_word(const struct quiesce *q)
{
    if (q->down.owes_start && q->up.ok)
        return q->up.was_up ? "was_up" : "started";
    if (q->down.owes_start)
        return "failed";
    if (!q->down.begun && !q->down.skipped)
        return "not_stopped";
    return q->start_after ? "was_down" : "not_wanted";
}

static void start_members(const struct quiesce *q, struct jsonw *w)
{
    bool up = q->down.owes_start && q->up.ok;
    jsonw_key(w, "down_ms");
    if (up && q->down.since_ms)
        jsonw_int(w, q->up.at_ms - q->down.since_ms);
    else
        jsonw_null(w);
    jsonw_kstr(w, "start", start_word(q));
    jsonw_kbool(w, "started", up && !q->up.was_up);
    jsonw_key(w, "service");
    if (q->up.checked)
        aio_service_write(&q->up.service, w);
    else
        jsonw_null(w);
    if (q->down.owes_start && !q->up.ok)
        jsonw_kstr(w, "problem", q->up.problem);
}

static void add_to_result(struct quiesce *q, bool over)
{
    struct buf own, all;
    struct jsonw w;
    buf_init(&own, LIMIT_RECORD / 2);
    buf_init(&all, LIMIT_RECORD);
    jsonw_init(&w, &own);
    jsonw_begin_object(&w);
    stop_members(q, &w);
    if (over)
        start_members(q, &w);
    jsonw_end_object(&w);
    const char *inner = job_result(q->job);
    json_t *o = inner ? json_parse(inner, strlen(inner), NULL) : json_object();
    json_t *aio = own.failed ? NULL : json_parse(buf_str(&own), own.n, NULL);
    if (aio && json_object_set_new(o, "aio", aio) == 0 && json_write(o, &all))
        job_set_result(q->job, buf_str(&all));
    json_decref(o);
    buf_done(&own);
    buf_done(&all);
}

void quiesce_tell_result(struct quiesce *q)
{
    add_to_result(q, false);
}

/* ---- the end ---- */

static bool well(enum job_state s)
{
    return s == JOB_SUCCEEDED || s == JOB_WARNING;
}

/* What the inner work found stays beside it as evidence. */
static void service_down_verdict(const struct quiesce *q, const char *sentence, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "word", "service_down");
    jsonw_kstr(&w, "sentence", sentence);
    jsonw_key(&w, "evidence");
    jsonw_begin_object(&w);
    jsonw_kraw(&w, "backup", q->outcome.verdict_json);
    jsonw_key(&w, "service");
    if (q->up.checked)
        aio_service_write(&q->up.service, &w);
    else
        jsonw_null(&w);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

static void end_service_down(const struct quiesce *q, struct job_outcome o)
{
    struct buf verdict;
    char sentence[1024];
    const char *inner = o.sentence ? o.sentence : "the backup was not made";
    buf_init(&verdict, LIMIT_RECORD);
    (void)snprintf(sentence, sizeof sentence, "%.500s; but Nextcloud does not serve again: %.400s",
                   inner, q->up.problem[0] ? q->up.problem : "it could not be started");
    o.sentence = sentence;
    if (well(o.state)) {
        o.state = JOB_FAILED;
        o.api = ERR_COMMAND_FAILED;
        o.word = "service_down";
        service_down_verdict(q, sentence, &verdict);
        o.verdict_json = buf_str(&verdict);
    }
    job_end(q->job, &o);
    buf_done(&verdict);
}

void quiesce_end(struct quiesce *q)
{
    struct job_outcome o = q->outcome;
    if (q->leaving && !o.keep_state && !q->stop_counts && !well(o.state)) {
        o.state = JOB_INTERRUPTED;
        o.api = ERR_INTERRUPTED;
        o.word = "interrupted";
        o.sentence = "the daemon went down before the backup was done";
        o.verdict_json = NULL;
    }
    o.keep_state = o.keep_state || !q->stop_counts; /* a later stop changes nothing any more */
    add_to_result(q, true);
    if (q->down.owes_start && !q->up.ok)
        end_service_down(q, o);
    else
        job_end(q->job, &o);
}
