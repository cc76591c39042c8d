#include "api/metrics.h"

#include "api/metrics_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/store.h"

#include <stdio.h>
#include <string.h>

/* ---- life ---- */

/* How late a timer comes is how long others wait for the loop. */
static void on_tick(uv_timer_t *t)
{
    struct metrics *m = t->data;
    uint64_t now = uv_hrtime(), due = m->tick_ns + METRICS_LAG_MS * 1000000ULL;
    m->lag_ns = m->tick_ns && now > due ? now - due : 0;
    if (m->lag_ns > m->lag_max_ns)
        m->lag_max_ns = m->lag_ns;
    m->tick_ns = now;
}

static void got_rows(void *arg, const struct store_job *rows, size_t n, int64_t next)
{
    for (size_t i = n; i-- > 0;) /* oldest first, so that the newest has the last word */
        metrics_job_row(arg, &rows[i]);
}

struct metrics *metrics_new(struct app *app, struct err *e)
{
    struct metrics *m = mem_zalloc(sizeof *m);
    if (!m) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    (void)uv_timer_init(app->loop, &m->timer);
    m->timer.data = m;
    (void)uv_timer_start(&m->timer, on_tick, METRICS_LAG_MS, METRICS_LAG_MS);
    struct store_filter all = {.limit = LIMIT_JOBS_LISTED};
    jobs_on_end(app->jobs, metrics_job_ended, m);
    store_jobs_list(app->store, &all, got_rows, m);
    return m;
}

static void on_closed(uv_handle_t *h)
{
    struct metrics *m = h->data;
    mem_free(m->series);
    mem_free(m->locks);
    mem_free(m);
}

void metrics_close(struct metrics *m)
{
    if (m)
        uv_close((uv_handle_t *)&m->timer, on_closed);
}

/* ---- requests ---- */

size_t metrics_place(const struct route *r)
{
    size_t i = r ? (size_t)(r - routes) : METRICS_ROUTES - 1;
    return i < METRICS_ROUTES ? i : METRICS_ROUTES - 1;
}

static size_t code_place(struct metrics *m, int status)
{
    for (size_t i = 0; i < m->code_count; i++)
        if (m->codes[i] == status)
            return i;
    if (m->code_count == METRICS_CODES)
        return METRICS_CODES - 1;
    m->codes[m->code_count] = status;
    return m->code_count++;
}

void metrics_request(struct metrics *m, const struct route *r, int status)
{
    m->requests[metrics_place(r)][code_place(m, status)]++;
}

void metrics_rate_limited(struct metrics *m, const struct route *r)
{
    m->limited[metrics_place(r)]++;
}

/* ---- jobs ---- */

static struct job_series *find(struct metrics *m, const char *type, const char *target)
{
    for (size_t i = 0; i < m->series_count; i++)
        if (strcmp(m->series[i].type, type) == 0 && strcmp(m->series[i].target, target) == 0)
            return &m->series[i];
    return NULL;
}

static struct job_series *add(struct metrics *m, const char *type, const char *target)
{
    if (m->series_count == m->series_room) {
        size_t room = m->series_room ? m->series_room * 2 : 16;
        struct job_series *more = mem_realloc(m->series, room * sizeof *more);
        if (!more)
            return NULL;
        m->series = more;
        m->series_room = room;
    }
    struct job_series *s = &m->series[m->series_count++];
    *s = (struct job_series){0};
    (void)snprintf(s->type, sizeof s->type, "%s", type);
    (void)snprintf(s->target, sizeof s->target, "%s", target);
    return s;
}

static struct job_series *series(struct metrics *m, const char *type, const char *target)
{
    char kind[sizeof((struct job_series *)0)->type];
    (void)snprintf(kind, sizeof kind, "%s", type);
    const char *label = target ? target : "";
    struct job_series *s = find(m, kind, label);
    if (s)
        return s;
    if (m->series_count >= METRICS_SERIES) {
        label = "other";
        s = find(m, kind, label);
        if (s || m->series_count >= METRICS_SERIES + 32)
            return s;
    }
    return add(m, kind, label);
}

static void note(struct job_series *s, enum job_state state, int64_t started_ms, int64_t ended_ms)
{
    s->known = true;
    s->succeeded = state == JOB_SUCCEEDED || state == JOB_WARNING;
    s->seconds = started_ms ? (double)(ended_ms - started_ms) / 1000 : 0;
    s->ended_ms = ended_ms;
    if (s->succeeded)
        s->success_ms = ended_ms;
}

static void note_result(struct metrics *m, const char *kind, const char *text, bool record,
                        int64_t ended_ms)
{
    json_t *o = text ? json_parse(text, strlen(text), NULL) : NULL;
    metrics_aio_result(m, kind, record ? json_object_get(o, "result") : o, ended_ms);
    json_decref(o);
}

/* Others' results may be long and say nothing of AIO. */
static bool concerns_aio(const char *kind)
{
    return strncmp(kind, "aio-", 4) == 0 || strncmp(kind, "emergency-", 10) == 0;
}

void metrics_job_ended(void *arg, const struct job *j)
{
    if (concerns_aio(job_kind(j)))
        note_result(arg, job_kind(j), job_result(j), false, job_ended_ms(j));
    struct job_series *s = series(arg, job_kind(j), job_label(j));
    if (!s)
        return;
    note(s, job_state(j), job_started_ms(j), job_ended_ms(j));
    s->ended[job_state(j)]++;
}

void metrics_job_row(struct metrics *m, const struct store_job *row)
{
    enum job_state state;
    if (!row->terminal || !job_state_parse(row->state, &state))
        return;
    if (concerns_aio(row->kind))
        note_result(m, row->kind, row->record, true, row->ended_ms);
    struct job_series *s = series(m, row->kind, row->label);
    if (s && (!s->known || s->ended_ms <= row->ended_ms))
        note(s, state, row->started_ms, row->ended_ms);
}
