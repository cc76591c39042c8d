/* job: one job's memory, its turn, its stop, its end, and who is told. */
#include "base/jsonw.h"
#include "base/mem.h"
#include "jobs/job_internal.h"
#include "sys/log.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static int64_t now_ms(void)
{
    struct timeval tv;
    (void)gettimeofday(&tv, NULL);
    return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

/* ---- memory ---- */

void job_free(struct job *j)
{
    if (j->work && j->ops->free)
        j->ops->free(j->work);
    for (size_t i = 0; i < j->key_count; i++)
        mem_free(j->keys[i]);
    char *const texts[] = {
        j->kind,         j->label,       j->role,          j->address,          j->params_json,
        j->private_json, j->result_json, j->progress_json, j->verdict_json,     j->sentence,
        j->stdout_tail,  j->stderr_tail, j->idem_key,      j->idem_fingerprint, j->status_json};
    job_drop_document(j);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mem_free(texts[i]);
    mem_free(j);
}

static void timer_closed(uv_handle_t *h)
{
    struct job *j = h->data;
    j->timer_open = false;
    if (j->dead)
        job_free(j);
}

void job_close_timer(struct job *j)
{
    uv_close((uv_handle_t *)&j->deadline, timer_closed);
}

void job_discard(struct job *j)
{
    j->dead = true;
    if (!j->timer_open)
        job_free(j);
    else if (!uv_is_closing((uv_handle_t *)&j->deadline))
        job_close_timer(j);
}

void job_replace(char **text, const char *with)
{
    char *copy = mem_strdup(with);
    if (with && !copy)
        return; /* no memory: the older text is better than none */
    mem_free(*text);
    *text = copy;
}

static bool copy_spec(struct job *j, const struct job_spec *s)
{
    j->kind = mem_strdup(s->kind);
    j->label = mem_strdup(s->label);
    j->role = mem_strdup(s->role);
    j->address = mem_strdup(s->address);
    j->params_json = mem_strdup(s->params_json);
    j->private_json = mem_strdup(s->private_json);
    j->status_json = mem_strdup(s->status_json);
    j->idem_key = mem_strdup(s->idem_key);
    j->idem_fingerprint = mem_strdup(s->idem_fingerprint);
    bool whole = j->kind && (j->label || !s->label) && (j->role || !s->role) &&
                 (j->address || !s->address) && (j->params_json || !s->params_json) &&
                 (j->private_json || !s->private_json) && (j->status_json || !s->status_json) &&
                 (j->idem_key || !s->idem_key) && (j->idem_fingerprint || !s->idem_fingerprint);
    for (size_t i = 0; whole && i < s->key_count; i++) {
        j->keys[i] = mem_strdup(s->keys[i]);
        whole = j->keys[i] != NULL;
        j->key_count += whole;
    }
    return whole;
}

struct job *job_new(struct jobs *js, const struct job_spec *s)
{
    struct job *j = mem_zalloc(sizeof *j);
    if (!j)
        return NULL;
    j->js = js;
    j->ops = s->ops;
    j->reading = s->reading;
    j->shares = s->shares;
    j->yields = s->yields;
    j->unslotted = s->unslotted;
    j->deadline_s = s->deadline_s ? s->deadline_s : JOB_DEADLINE_S;
    j->exit_code = -1;
    j->queued_ms = now_ms();
    if (!copy_spec(j, s)) {
        job_free(j);
        return NULL;
    }
    j->work = s->work; /* only now: a failure before leaves it to the caller's path */
    (void)uv_timer_init(js->loop, &j->deadline);
    j->deadline.data = j;
    j->timer_open = true;
    return j;
}

/* ---- telling ---- */

void job_tell(struct job *j)
{
    struct job_watcher copy[JOB_WATCHERS];
    size_t n = j->watcher_count;
    memcpy(copy, j->watchers, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        bool still = false; /* an earlier watcher may have taken it off */
        for (size_t k = 0; k < j->watcher_count; k++)
            still = still || j->watchers[k].arg == copy[i].arg;
        if (still)
            copy[i].changed(copy[i].arg, j);
    }
}

bool job_watch(struct job *j, void (*changed)(void *arg, struct job *j), void *arg)
{
    if (j->watcher_count == JOB_WATCHERS || job_state_final(j->state))
        return false;
    j->watchers[j->watcher_count++] = (struct job_watcher){changed, arg};
    return true;
}

void job_unwatch(struct job *j, void *arg)
{
    for (size_t i = 0; i < j->watcher_count; i++)
        if (j->watchers[i].arg == arg) {
            j->watchers[i] = j->watchers[--j->watcher_count];
            return;
        }
}

void job_status_event(struct job *j)
{
    struct buf line;
    buf_init(&line, LIMIT_RECORD);
    job_status_line(j, j->state, &line);
    hub_append(j->hub, EVENT_STATUS, buf_str(&line), line.n, NULL);
    buf_done(&line);
}

void job_keep_row(struct job *j, bool durable)
{
    struct buf record;
    struct store_job row;
    buf_init(&record, LIMIT_RECORD);
    job_fill_row(j, j->state, &record, &row);
    store_job_update(j->js->store, &row, durable, NULL, NULL);
    buf_done(&record);
}

/* ---- starting ---- */

static void on_deadline(uv_timer_t *t)
{
    (void)job_cancel(t->data, JOB_STOP_TIMEOUT);
}

void job_arm_deadline(struct job *j)
{
    (void)uv_timer_start(&j->deadline, on_deadline, (uint64_t)j->deadline_s * 1000, 0);
}

void job_start(struct job *j)
{
    j->state = JOB_RUNNING;
    j->started = true;
    j->started_ms = now_ms();
    job_arm_deadline(j);
    log_event(LOG_L_INFO, "job_started", "job", j->id, "label", j->label, "role", j->role,
              "address", j->address, NULL);
    job_status_event(j);
    job_keep_row(j, false);
    job_tell(j);
    j->ops->start(j, j->work);
}

/* ---- stopping and ending ---- */

bool job_cancel(struct job *j, enum job_stop why)
{
    if (job_state_final(j->state) || j->ending)
        return false;
    if (j->stop_asked)
        return true;
    j->stop_asked = true;
    j->stop_why = why;
    if (j->started)
        j->ops->stop(j, j->work, why);
    else if (j->durable)
        job_end(j, &(struct job_outcome){.exit_code = -1});
    return true; /* not durable yet: on_created ends it */
}

static const struct {
    enum job_state state;
    enum err_code api;
    const char *word, *sentence;
} stops[] = {
    [JOB_STOP_CANCEL] = {JOB_CANCELLED, ERR_JOB_CANCELLED, "cancelled",
                         "the job was cancelled on request"},
    [JOB_STOP_TIMEOUT] = {JOB_TIMED_OUT, ERR_TIMEOUT, "timed_out",
                          "the job ran past its time limit and was ended"},
    [JOB_STOP_SHUTDOWN] = {JOB_INTERRUPTED, ERR_INTERRUPTED, "interrupted",
                           "the daemon went down before the job was done"},
    [JOB_STOP_YIELD] = {JOB_CANCELLED, ERR_JOB_CANCELLED, "gave_way",
                        "the job was ended because another one wants to write to the repository"},
};

static char *plain_verdict(const char *word, const char *sentence)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "word", word);
    jsonw_kstr(&w, "sentence", sentence);
    jsonw_key(&w, "evidence");
    jsonw_begin_object(&w);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    return buf_take(&b, NULL);
}

void job_take_outcome(struct job *j, const struct job_outcome *o)
{
    const char *word = o->word, *sentence = o->sentence;
    j->final_state = o->state;
    j->api = o->api;
    if (j->stop_asked && !o->keep_state) {
        j->final_state = stops[j->stop_why].state;
        j->api = stops[j->stop_why].api;
        word = word ? word : stops[j->stop_why].word;
        sentence = sentence ? sentence : stops[j->stop_why].sentence;
    }
    assert(job_state_final(j->final_state));
    j->exit_code = o->exit_code;
    (void)snprintf(j->field, sizeof j->field, "%s", o->field && j->api ? o->field : "");
    j->ended_ms = now_ms();
    job_replace(&j->sentence, sentence);
    mem_free(j->verdict_json);
    j->verdict_json = o->verdict_json ? mem_strdup(o->verdict_json) : plain_verdict(word, sentence);
    job_replace(&j->stdout_tail, o->stdout_tail);
    job_replace(&j->stderr_tail, o->stderr_tail);
}

void job_divert_end(struct job *j,
                    void (*ended)(void *arg, struct job *j, const struct job_outcome *o), void *arg)
{
    j->diverted = ended;
    j->diverted_arg = arg;
}

void job_end(struct job *j, const struct job_outcome *o)
{
    assert(!j->ending && j->hub);
    if (j->diverted) {
        TAKE(j->diverted)(j->diverted_arg, j, o);
        return;
    }
    job_take_outcome(j, o);
    j->ending = true;
    (void)uv_timer_stop(&j->deadline);
    j->last_event = hub_next_id(j->hub);
    struct buf record, line;
    struct store_job row;
    buf_init(&record, LIMIT_RECORD);
    buf_init(&line, LIMIT_RECORD);
    job_fill_row(j, j->final_state, &record, &row);
    job_status_line(j, j->final_state, &line);
    hub_end(j->hub, buf_str(&line), line.n, &row, jobs_ended, j);
    buf_done(&record);
    buf_done(&line);
}

/* ---- by the work ---- */

void job_set_pid(struct job *j, pid_t pid)
{
    j->pid = pid;
    job_keep_row(j, false);
    job_tell(j);
}

void job_news(struct job *j)
{
    job_tell(j);
}

void job_set_ready(struct job *j)
{
    j->ready = true;
    job_tell(j);
}

void job_stage(struct job *j, const char *stage)
{
    if (j->stage_count < JOB_STAGES) {
        (void)snprintf(j->stages[j->stage_count].name, sizeof j->stages[0].name, "%s", stage);
        j->stages[j->stage_count++].at_ms = now_ms();
    }
    hub_append(j->hub, EVENT_STAGE, stage, strlen(stage), NULL);
}

const char *job_last_stage(const struct job *j)
{
    return j->stage_count ? j->stages[j->stage_count - 1].name : "";
}

void job_set_private(struct job *j, const char *json)
{
    job_replace(&j->private_json, json);
    job_keep_row(j, false);
}

void job_set_result(struct job *j, const char *json)
{
    job_replace(&j->result_json, json);
}

void job_set_status(struct job *j, const char *members)
{
    job_replace(&j->status_json, members);
}

void job_set_progress(struct job *j, const char *json)
{
    job_replace(&j->progress_json, json);
}

void job_take_document(struct job *j, struct buf *doc)
{
    job_drop_document(j);
    j->document = buf_take(doc, NULL);
}

void job_drop_document(struct job *j)
{
    if (j->document) /* it may be a key */
        sodium_memzero(j->document, strlen(j->document));
    mem_freep(&j->document);
}
