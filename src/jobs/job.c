#include "jobs/job.h"

#include "base/jsonw.h"
#include "base/mem.h"
#include "jobs/job_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

struct jobs {
    uv_loop_t *loop;
    struct store *store;
    struct hub *hub;
    struct job *active; /* in order of creation */
    struct job *recent[LIMIT_JOBS_RECENT];
    size_t recent_next;
    uint64_t last_n;
    bool draining;
    void (*idle)(void *arg);
    void *idle_arg;
    void (*ended)(void *arg, const struct job *j);
    void *ended_arg;
};

static int64_t now_ms(void)
{
    struct timeval tv;
    (void)gettimeofday(&tv, NULL);
    return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

/* ---- memory ---- */

static void job_free(struct job *j)
{
    if (j->work && j->ops->free)
        j->ops->free(j->work);
    for (size_t i = 0; i < j->key_count; i++)
        mem_free(j->keys[i]);
    char *const texts[] = {j->kind,         j->label,           j->role,        j->address,
                           j->params_json,  j->private_json,    j->result_json, j->progress_json,
                           j->verdict_json, j->sentence,        j->stdout_tail, j->stderr_tail,
                           j->idem_key,     j->idem_fingerprint};
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

/* The job leaves memory once its timer's handle is gone. */
static void discard(struct job *j)
{
    j->dead = true;
    if (!j->timer_open)
        job_free(j);
    else if (!uv_is_closing((uv_handle_t *)&j->deadline))
        uv_close((uv_handle_t *)&j->deadline, timer_closed);
}

static void replace(char **text, const char *with)
{
    char *copy = mem_strdup(with);
    if (with && !copy)
        return; /* no memory: the older text is better than none */
    mem_free(*text);
    *text = copy;
}

struct jobs *jobs_new(uv_loop_t *loop, struct store *store, struct hub *hub, int64_t last_ms,
                      struct err *e)
{
    struct jobs *js = mem_zalloc(sizeof *js);
    if (!js) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for the jobs");
        return NULL;
    }
    js->loop = loop;
    js->store = store;
    js->hub = hub;
    js->last_n = (uint64_t)last_ms;
    return js;
}

void jobs_free(struct jobs *js)
{
    if (!js)
        return;
    assert(!js->active);
    for (size_t i = 0; i < LIMIT_JOBS_RECENT; i++)
        if (js->recent[i])
            job_free(js->recent[i]);
    mem_free(js);
}

/* ---- finding ---- */

static uint64_t id_number(const char *id)
{
    const char *colon = strrchr(id, ':');
    return colon ? strtoull(colon + 1, NULL, 10) : 0;
}

struct job *jobs_find(struct jobs *js, const char *id)
{
    uint64_t n = id_number(id);
    for (struct job *j = js->active; j; j = j->next)
        if (j->n == n && j->durable && strcmp(j->id, id) == 0)
            return j;
    for (size_t i = 0; i < LIMIT_JOBS_RECENT; i++) {
        struct job *j = js->recent[i];
        if (j && j->n == n && strcmp(j->id, id) == 0)
            return j;
    }
    return NULL;
}

size_t jobs_active(const struct jobs *js)
{
    size_t n = 0;
    for (const struct job *j = js->active; j; j = j->next)
        n++;
    return n;
}

size_t jobs_running(const struct jobs *js)
{
    size_t n = 0;
    for (const struct job *j = js->active; j; j = j->next)
        n += j->state == JOB_RUNNING;
    return n;
}

bool jobs_recovering(const struct jobs *js)
{
    for (const struct job *j = js->active; j; j = j->next)
        if (j->recovers)
            return true;
    return false;
}

static bool holds(const struct job *j, const char *key)
{
    for (size_t i = 0; i < j->key_count; i++)
        if (strcmp(j->keys[i], key) == 0)
            return true;
    return false;
}

static bool share_a_key(const struct job *a, const struct job *b)
{
    for (size_t i = 0; i < a->key_count; i++)
        if (holds(b, a->keys[i]))
            return true;
    return false;
}

struct job *jobs_holder(struct jobs *js, const char *key)
{
    for (struct job *j = js->active; j; j = j->next)
        if (holds(j, key))
            return j;
    return NULL;
}

/* ---- telling ---- */

static void tell_watchers(struct job *j)
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

static void status_event(struct job *j)
{
    struct buf line;
    buf_init(&line, LIMIT_RECORD);
    job_status_line(j, j->state, &line);
    hub_append(j->hub, EVENT_STATUS, buf_str(&line), line.n, NULL);
    buf_done(&line);
}

static void keep_row(struct job *j, bool durable)
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

static void start(struct job *j)
{
    j->state = JOB_RUNNING;
    j->started = true;
    j->started_ms = now_ms();
    (void)uv_timer_start(&j->deadline, on_deadline, (uint64_t)j->deadline_s * 1000, 0);
    status_event(j);
    keep_row(j, false);
    tell_watchers(j);
    j->ops->start(j, j->work);
}

static bool blocked(const struct jobs *js, const struct job *j)
{
    for (const struct job *other = js->active; other && other != j; other = other->next)
        if (share_a_key(other, j))
            return true;
    return false;
}

static void schedule(struct jobs *js)
{
    struct job *next;
    for (struct job *j = js->active; j; j = next) {
        if (jobs_running(js) >= MAX_CHILDREN)
            return;
        next = j->next; /* start may end the job, but never frees it inside */
        if (j->state == JOB_QUEUED && j->durable && !j->ending && !blocked(js, j))
            start(j);
    }
}

static void check_idle(struct jobs *js)
{
    if (!js->draining || js->active || !js->idle)
        return;
    void (*idle)(void *) = js->idle;
    js->idle = NULL;
    idle(js->idle_arg);
}

static void unlink_active(struct job *j)
{
    for (struct job **at = &j->js->active; *at; at = &(*at)->next)
        if (*at == j) {
            *at = j->next;
            break;
        }
    j->next = NULL;
}

static void on_created(void *arg, bool ok, const struct err *e)
{
    struct job *j = arg;
    struct jobs *js = j->js;
    struct err why = {0};
    if (ok)
        j->hub = hub_open(js->hub, j->id, 0, EVENT_RESERVE, &why);
    if (!ok || !j->hub) {
        j->created(j->created_arg, NULL, ok ? &why : e);
        unlink_active(j);
        discard(j);
        check_idle(js);
        return;
    }
    j->durable = true;
    status_event(j);
    j->created(j->created_arg, j, NULL);
    if (j->stop_asked && !j->ending)
        job_end(j, &(struct job_outcome){.exit_code = -1});
    schedule(js);
}

/* ---- creating ---- */

static bool copy_spec(struct job *j, const struct job_spec *s)
{
    j->kind = mem_strdup(s->kind);
    j->label = mem_strdup(s->label);
    j->role = mem_strdup(s->role);
    j->address = mem_strdup(s->address);
    j->params_json = mem_strdup(s->params_json);
    j->private_json = mem_strdup(s->private_json);
    j->idem_key = mem_strdup(s->idem_key);
    j->idem_fingerprint = mem_strdup(s->idem_fingerprint);
    bool whole = j->kind && (j->label || !s->label) && (j->role || !s->role) &&
                 (j->address || !s->address) && (j->params_json || !s->params_json) &&
                 (j->private_json || !s->private_json) && (j->idem_key || !s->idem_key) &&
                 (j->idem_fingerprint || !s->idem_fingerprint);
    for (size_t i = 0; whole && i < s->key_count; i++) {
        j->keys[i] = mem_strdup(s->keys[i]);
        whole = j->keys[i] != NULL;
        j->key_count += whole;
    }
    return whole;
}

static struct job *job_new(struct jobs *js, const struct job_spec *s)
{
    struct job *j = mem_zalloc(sizeof *j);
    if (!j)
        return NULL;
    j->js = js;
    j->ops = s->ops;
    j->reading = s->reading;
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

static void append_active(struct jobs *js, struct job *j)
{
    struct job **at = &js->active;
    while (*at)
        at = &(*at)->next;
    *at = j;
}

static bool admit(struct jobs *js, const struct job_spec *s, char *in_the_way, size_t size,
                  struct err *e)
{
    if (size)
        in_the_way[0] = '\0';
    if (js->draining)
        return err_set(e, ERR_DRAINING, "the daemon is going down and takes no new work");
    size_t waiting = 0;
    for (const struct job *j = js->active; j; j = j->next)
        waiting += j->state == JOB_QUEUED;
    if (waiting >= LIMIT_JOBS_QUEUED)
        return err_set(e, ERR_TOO_BUSY, "%zu jobs are waiting already", waiting);
    for (size_t i = 0; i < s->key_count; i++) {
        const struct job *other = jobs_holder(js, s->keys[i]);
        if (!other || (s->queue && !other->recovers))
            continue;
        if (size)
            (void)snprintf(in_the_way, size, "%s", other->id);
        if (other->recovers)
            return err_set(e, ERR_RECOVERING, "job %s of this repository is being recovered",
                           other->id);
        return err_set(e, ERR_JOB_RUNNING, "job %s works on this repository", other->id);
    }
    return true;
}

bool jobs_create(struct jobs *js, const struct job_spec *spec, job_created created, void *arg,
                 char *in_the_way, size_t in_the_way_size, struct err *e)
{
    assert(spec->key_count <= JOB_KEYS_MAX);
    struct job *j = NULL;
    if (admit(js, spec, in_the_way, in_the_way_size, e) && !(j = job_new(js, spec)))
        (void)err_set(e, ERR_NO_MEMORY, "no memory for a new job");
    if (!j) {
        if (spec->work && spec->ops->free)
            spec->ops->free(spec->work);
        return false;
    }
    uint64_t n = (uint64_t)j->queued_ms;
    js->last_n = j->n = n > js->last_n ? n : js->last_n + 1;
    bool labelled = spec->label && spec->label_in_id;
    (void)snprintf(j->id, sizeof j->id, "%s%s%s:%llu", j->kind, labelled ? ":" : "",
                   labelled ? j->label : "", (unsigned long long)j->n);
    j->created = created;
    j->created_arg = arg;
    append_active(js, j);
    struct buf record;
    struct store_job row;
    buf_init(&record, LIMIT_RECORD);
    job_fill_row(j, JOB_QUEUED, &record, &row);
    store_job_create(js->store, &row, EVENT_RESERVE, on_created, j);
    buf_done(&record);
    return true;
}

static void start_adopted(uv_timer_t *t)
{
    struct job *j = t->data;
    (void)uv_timer_start(&j->deadline, on_deadline, (uint64_t)j->deadline_s * 1000, 0);
    j->ops->start(j, j->work);
}

bool jobs_adopt(struct jobs *js, const struct store_job *row, uint64_t mark,
                const char *const *keys, size_t key_count, const struct job_ops *ops, void *work,
                struct err *e)
{
    struct job_spec spec = {.kind = row->kind,
                            .label = row->label,
                            .reading = row->reading,
                            .role = row->owner,
                            .private_json = row->private_json,
                            .ops = ops,
                            .work = work};
    for (size_t i = 0; i < key_count && i < JOB_KEYS_MAX; i++)
        spec.keys[spec.key_count++] = keys[i];
    struct job *j = job_new(js, &spec);
    if (!j)
        return err_set(e, ERR_NO_MEMORY, "no memory to recover job %s", row->id);
    (void)snprintf(j->id, sizeof j->id, "%s", row->id);
    j->n = id_number(row->id);
    j->queued_ms = row->queued_ms;
    j->started_ms = row->started_ms;
    j->state = JOB_RUNNING;
    j->recovers = j->durable = j->started = true;
    j->hub = hub_open(js->hub, j->id, mark, mark, e);
    if (!j->hub) {
        j->work = NULL;
        discard(j);
        return false;
    }
    append_active(js, j);
    return uv_timer_start(&j->deadline, start_adopted, 0, 0) == 0;
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

static void take_outcome(struct job *j, const struct job_outcome *o)
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
    j->ended_ms = now_ms();
    replace(&j->sentence, sentence);
    mem_free(j->verdict_json);
    j->verdict_json = o->verdict_json ? mem_strdup(o->verdict_json) : plain_verdict(word, sentence);
    replace(&j->stdout_tail, o->stdout_tail);
    replace(&j->stderr_tail, o->stderr_tail);
}

static void remember(struct job *j)
{
    struct jobs *js = j->js;
    if (js->recent[js->recent_next])
        discard(js->recent[js->recent_next]);
    js->recent[js->recent_next] = j;
    js->recent_next = (js->recent_next + 1) % LIMIT_JOBS_RECENT;
}

static void on_ended(void *arg, bool ok, const struct err *e)
{
    struct job *j = arg;
    struct jobs *js = j->js;
    j->hub = NULL;
    j->state = j->final_state;
    unlink_active(j);
    if (j->ops->free)
        j->ops->free(j->work);
    j->work = NULL;
    uv_close((uv_handle_t *)&j->deadline, timer_closed);
    remember(j);
    tell_watchers(j);
    j->watcher_count = 0;
    if (js->ended)
        js->ended(js->ended_arg, j);
    mem_freep(&j->stdout_tail);
    mem_freep(&j->stderr_tail);
    mem_freep(&j->progress_json);
    schedule(js);
    check_idle(js);
}

void job_end(struct job *j, const struct job_outcome *o)
{
    assert(!j->ending && j->hub);
    take_outcome(j, o);
    j->ending = true;
    (void)uv_timer_stop(&j->deadline);
    j->last_event = hub_next_id(j->hub);
    struct buf record, line;
    struct store_job row;
    buf_init(&record, LIMIT_RECORD);
    buf_init(&line, LIMIT_RECORD);
    job_fill_row(j, j->final_state, &record, &row);
    job_status_line(j, j->final_state, &line);
    hub_end(j->hub, buf_str(&line), line.n, &row, on_ended, j);
    buf_done(&record);
    buf_done(&line);
}

/* ---- all of them ---- */

static void drained_at_once(uv_timer_t *t)
{
    struct jobs *js = t->data;
    uv_close((uv_handle_t *)t, (uv_close_cb)mem_free);
    check_idle(js);
}

void jobs_drain(struct jobs *js, void (*idle)(void *arg), void *arg)
{
    js->draining = true;
    js->idle = idle;
    js->idle_arg = arg;
    uv_timer_t *t = js->active ? NULL : mem_zalloc(sizeof *t);
    if (!t)
        return;
    (void)uv_timer_init(js->loop, t);
    t->data = js;
    (void)uv_timer_start(t, drained_at_once, 0, 0);
}

void jobs_stop_all(struct jobs *js, enum job_stop why)
{
    for (struct job *j = js->active, *next; j; j = next) {
        next = j->next; /* the end is never reached inside job_cancel */
        if (!j->recovers)
            (void)job_cancel(j, why);
    }
}

void jobs_on_end(struct jobs *js, void (*ended)(void *arg, const struct job *j), void *arg)
{
    js->ended = ended;
    js->ended_arg = arg;
}

/* ---- by the work ---- */

void job_set_pid(struct job *j, pid_t pid)
{
    j->pid = pid;
    keep_row(j, false);
    tell_watchers(j);
}

void job_stage(struct job *j, const char *stage)
{
    if (j->stage_count < JOB_STAGES) {
        (void)snprintf(j->stages[j->stage_count].name, sizeof j->stages[0].name, "%s", stage);
        j->stages[j->stage_count++].at_ms = now_ms();
    }
    hub_append(j->hub, EVENT_STAGE, stage, strlen(stage), NULL);
}

void job_set_private(struct job *j, const char *json)
{
    replace(&j->private_json, json);
    keep_row(j, false);
}

void job_set_result(struct job *j, const char *json)
{
    replace(&j->result_json, json);
}

void job_set_progress(struct job *j, const char *json)
{
    replace(&j->progress_json, json);
}
