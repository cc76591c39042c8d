/* jobs: the table of jobs: who is made, adopted, ended and remembered. */
#include "base/mem.h"
#include "jobs/job_internal.h"
#include "sys/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        if (j->recovers && !j->ops->leave)
            return true;
    return false;
}

struct job *jobs_find_equal(struct jobs *js, const char *kind, const char *label,
                            const char *params_json)
{
    for (struct job *j = js->active; j; j = j->next)
        if (j->reading && j->durable && !j->ending && !j->stop_asked && !j->recovers &&
            strcmp(j->kind, kind) == 0 &&
            strcmp(j->label ? j->label : "", label ? label : "") == 0 && j->params_json &&
            params_json && strcmp(j->params_json, params_json) == 0)
            return j;
    return NULL;
}

void jobs_each(struct jobs *js, void (*each)(void *arg, struct job *j), void *arg)
{
    for (struct job *j = js->active, *next; j; j = next) {
        next = j->next;
        each(arg, j);
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
        job_discard(j);
        check_idle(js);
        return;
    }
    j->durable = true;
    job_status_event(j);
    j->created(j->created_arg, j, NULL);
    if (j->stop_asked && !j->ending)
        job_end(j, &(struct job_outcome){.exit_code = -1});
    jobs_schedule(js);
}

static void append_active(struct jobs *js, struct job *j)
{
    struct job **at = &js->active;
    while (*at)
        at = &(*at)->next;
    *at = j;
}

bool jobs_create(struct jobs *js, const struct job_spec *spec, job_created created, void *arg,
                 char *in_the_way, size_t in_the_way_size, struct err *e)
{
    assert(spec->key_count <= JOB_KEYS_MAX);
    struct job *j = NULL;
    if (jobs_admit(js, spec, in_the_way, in_the_way_size, e) && !(j = job_new(js, spec)))
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
    job_arm_deadline(j);
    j->ops->start(j, j->work);
}

bool jobs_adopt(struct jobs *js, const struct store_job *row, uint64_t mark,
                const char *const *keys, size_t key_count, const struct job_ops *ops, void *work,
                struct err *e)
{
    /* `yields` stays false: what recovers is sent away by nobody. */
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
    if (j)
        job_take_asked(j, row->record);
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
        job_discard(j);
        return false;
    }
    append_active(js, j);
    return uv_timer_start(&j->deadline, start_adopted, 0, 0) == 0;
}

static void log_ended(const struct job *j)
{
    char ms[24], code[24];
    if (j->left) {
        log_event(LOG_L_NOTICE, "job_left", "job", j->id, "label", j->label, "message", j->sentence,
                  NULL);
        return;
    }
    bool well = j->state == JOB_SUCCEEDED || j->state == JOB_WARNING;
    log_event(well ? LOG_L_INFO : LOG_L_WARNING, "job_ended", "job", j->id, "label", j->label,
              "state", job_state_name(j->state), "error", j->api ? err_word(j->api) : NULL,
              "message", j->sentence, "exit_code", log_int(j->exit_code, code), "ms",
              log_int(j->ended_ms - (j->started_ms ? j->started_ms : j->queued_ms), ms), NULL);
}

static void remember(struct job *j)
{
    struct jobs *js = j->js;
    if (js->recent[js->recent_next])
        job_discard(js->recent[js->recent_next]);
    js->recent[js->recent_next] = j;
    js->recent_next = (js->recent_next + 1) % LIMIT_JOBS_RECENT;
}

void jobs_ended(void *arg, bool ok, const struct err *e)
{
    struct job *j = arg;
    struct jobs *js = j->js;
    j->hub = NULL;
    j->state = j->final_state;
    unlink_active(j);
    if (j->ops->free)
        j->ops->free(j->work);
    j->work = NULL;
    log_ended(j);
    job_close_timer(j);
    remember(j);
    job_tell(j);
    j->watcher_count = 0;
    if (js->ended && !j->left)
        js->ended(js->ended_arg, j);
    mem_freep(&j->stdout_tail);
    mem_freep(&j->stderr_tail);
    mem_freep(&j->progress_json);
    job_drop_document(j);
    jobs_schedule(js);
    check_idle(js);
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
    for (struct job *j = js->active; j; j = j->next)
        if (j->yields)
            (void)job_cancel(j, JOB_STOP_SHUTDOWN);
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
        bool left = why == JOB_STOP_SHUTDOWN && job_let_go(j);
        if (!left && !j->recovers)
            (void)job_cancel(j, why);
    }
}

void jobs_hold(struct jobs *js, bool on)
{
    js->held = on;
}

void jobs_on_end(struct jobs *js, void (*ended)(void *arg, const struct job *j), void *arg)
{
    js->ended = ended;
    js->ended_arg = arg;
}
