/* What records say of Nextcloud AIO, of locks and of a hold: nothing is asked for a scrape, so each
 * value stands beside the time at which it was so. */
#include "aio/job/job.h"
#include "api/lock_show.h"
#include "api/metrics_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/hold.h"

#include <stdio.h>
#include <string.h>

/* ---- counting ---- */

static bool backed_up(const json_t *result)
{
    size_t i;
    json_t *one;
    bool any = false;
    json_array_foreach(json_object_get(result, "backups"), i, one) any =
        any || json_get_bool(one, "ok", false);
    return any;
}

static void note_stack(struct aio_seen *a, bool up, int64_t ms)
{
    if (ms < a->stack_ms)
        return;
    a->stack_up = up;
    a->stack_ms = ms;
}

void metrics_aio_result(struct metrics *m, const char *kind, const json_t *result, int64_t ended_ms)
{
    const json_t *service = json_object_get(result, "service");
    const json_t *halted = json_object_get(
        json_object_get(json_object_get(result, "results"), "stop_containers"), "stopped");
    if (json_array_size(halted))
        note_stack(&m->aio, false, ended_ms);
    if (strncmp(kind, AIO_KIND, strlen(AIO_KIND)) != 0)
        return;
    if (json_is_object(service))
        note_stack(&m->aio, json_is_null(json_object_get(service, "problem")), ended_ms);
    else if (json_array_size(json_object_get(result, "stopped")))
        note_stack(&m->aio, false, ended_ms);
    if (backed_up(result) && ended_ms > m->aio.backup_ms)
        m->aio.backup_ms = ended_ms;
}

static struct lock_seen *find_lock(struct metrics *m, const char *label)
{
    for (size_t i = 0; i < m->lock_count; i++)
        if (strcmp(m->locks[i].label, label) == 0)
            return &m->locks[i];
    struct lock_seen *more = m->lock_count < LIMIT_CONFIGS
                                 ? mem_realloc(m->locks, (m->lock_count + 1) * sizeof *more)
                                 : NULL;
    if (!more)
        return NULL;
    m->locks = more;
    struct lock_seen *one = &m->locks[m->lock_count++];
    (void)snprintf(one->label, sizeof one->label, "%s", label);
    return one;
}

void metrics_locks(struct metrics *m, const struct lock_survey *s, double now)
{
    for (size_t i = 0; i < lock_survey_count(s); i++) {
        const struct survey_config *c = lock_survey_config(s, i);
        enum lock_word word = lock_word_of_all(c, NULL);
        struct lock_seen *one = word == LOCK_NOT_KNOWN ? NULL : find_lock(m, c->label);
        if (!one)
            continue;
        one->held = word == LOCK_LOCKED;
        one->at = now;
    }
}

/* ---- showing ---- */

static void note_phase(void *arg, struct job *j)
{
    struct buf *b = arg;
    if (strncmp(job_kind(j), AIO_KIND, strlen(AIO_KIND)) == 0 && job_last_stage(j)[0])
        (void)buf_printf(b, "borgmatic_api_aio_phase{type=\"%s\",phase=\"%s\"} 1\n", job_kind(j),
                         job_last_stage(j));
}

static void show_locks(const struct metrics *m, bool open, struct buf *b)
{
    metrics_head(
        b, open, "lock_held", "gauge",
        "Whether a repository of the configuration was locked when it was last looked at.");
    for (size_t i = 0; i < m->lock_count; i++)
        (void)buf_printf(b, "borgmatic_api_lock_held{target=\"%s\"} %d\n", m->locks[i].label,
                         m->locks[i].held);
    metrics_head(b, open, "lock_checked_timestamp_seconds", "gauge", "When that was.");
    for (size_t i = 0; i < m->lock_count; i++)
        (void)buf_printf(b, "borgmatic_api_lock_checked_timestamp_seconds{target=\"%s\"} %.3f\n",
                         m->locks[i].label, m->locks[i].at);
}

void metrics_aio_text(const struct metrics *m, const struct app *app, bool open, struct buf *b)
{
    show_locks(m, open, b);
    metrics_head(b, open, "aio_backup_last_success_timestamp_seconds", "gauge",
                 "When the last backup of AIO ended whose archive was verified.");
    if (m->aio.backup_ms)
        (void)buf_printf(b, "borgmatic_api_aio_backup_last_success_timestamp_seconds %.3f\n",
                         (double)m->aio.backup_ms / 1000);
    metrics_head(b, open, "aio_stack_up", "gauge",
                 "Whether Nextcloud served when a job last looked, or stopped it.");
    if (m->aio.stack_ms)
        (void)buf_printf(b, "borgmatic_api_aio_stack_up %d\n", m->aio.stack_up);
    metrics_head(b, open, "aio_stack_checked_timestamp_seconds", "gauge", "When that was.");
    if (m->aio.stack_ms)
        (void)buf_printf(b, "borgmatic_api_aio_stack_checked_timestamp_seconds %.3f\n",
                         (double)m->aio.stack_ms / 1000);
    metrics_head(b, open, "aio_phase", "gauge", "What the running workflow of AIO is at.");
    jobs_each(app->jobs, note_phase, b);
    metrics_head(b, open, "emergency_hold", "gauge", "New work is refused.");
    (void)buf_printf(b, "borgmatic_api_emergency_hold %d\n", !jobs_open(app->jobs, NULL));
}
