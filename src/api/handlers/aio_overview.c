/* GET /nextcloud/overview: from a look at AIO's containers and files, and our jobs' records. */
#include "aio/config/config_file.h"
#include "aio/job/job.h"
#include "aio/look/service.h"
#include "aio/preflight/preflight.h"
#include "aio/target/target.h"
#include "api/engine_call.h"
#include "api/handlers/aio_read.h"
#include "base/json.h"
#include "jobs/store.h"
#include "limits.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SHOWN_HINT = 320, SHOWN_ARCHIVES = 100, RECORDS = 20, RECORDS_GOOD = 5, DAY_S = 86400 };

struct glance {
    struct call *c;
    const struct aio_context *x;
    /* of the task */
    bool ok;
    struct err e;
    char hint[SHOWN_HINT];
    struct preflight preflight;
    struct aio_service service;
    struct aio_schedule schedule;
    struct err schedule_why, archives_why;
    struct aio_archive archives[SHOWN_ARCHIVES];
    size_t archive_count;
    bool switched; /* the journal stands */
    struct target_journal journal;
    /* of the records */
    size_t question;
    json_t *last, *verified; /* records: the newest run that backed up, the newest that did well */
    size_t verified_at;      /* which of its backups */
};

/* A run for several targets may fail as a whole although some backups are good. */
static const struct {
    const char *kind, *state;
    int limit;
} questions[] = {
    {AIO_KIND_RUN, NULL, RECORDS},
    {AIO_KIND_TARGET, NULL, RECORDS},
    {AIO_KIND_RUN, "succeeded", RECORDS_GOOD},
    {AIO_KIND_TARGET, "succeeded", RECORDS_GOOD},
};

/* ---- the task ---- */

static void read_files(struct glance *g)
{
    char path[PATH_MAX];
    if (config_file_beside(g->x->config_file, "daily_backup_time", path, sizeof path))
        (void)config_file_schedule(path, &g->schedule, &g->schedule_why);
    if (config_file_beside(g->x->config_file, "backup_archives.list", path, sizeof path))
        (void)config_file_archives(path, g->archives, SHOWN_ARCHIVES, &g->archive_count,
                                   &g->archives_why);
    g->switched = target_journal_read(g->x, &g->journal, NULL);
}

/* The checks that concern no run in particular. */
static void ask(struct engine *en, void *data)
{
    struct glance *g = data;
    const struct preflight_wants wants = {.starts = true};
    g->ok = aio_service(en, g->x, &g->service, &g->e);
    (void)snprintf(g->hint, sizeof g->hint, "%s", engine_hint(en));
    g->ok = g->ok && preflight_run(en, g->x, &wants, &g->preflight, &g->e);
    if (g->ok)
        read_files(g);
}

/* ---- what AIO does now ---- */

static const struct job *our_job(const struct glance *g)
{
    return jobs_holder(g->c->app->jobs, AIO_KEY);
}

/* The stage that our job is in, from its record. */
static bool our_stage(const struct job *j, char *out, size_t size)
{
    struct buf text;
    buf_init(&text, LIMIT_RECORD);
    job_render(j, &text);
    json_t *record = text.failed ? NULL : json_parse(buf_str(&text), text.n, NULL);
    const json_t *stages = json_object_get(record, "stages");
    size_t n = json_array_size(stages);
    (void)snprintf(out, size, "%s",
                   n ? json_get_str(json_array_get(stages, n - 1), "stage", "") : "");
    json_decref(record);
    buf_done(&text);
    return out[0] != '\0';
}

/* Of a run that is none of ours: as far as containers tell. */
static const char *foreign_phase(const struct glance *g)
{
    const struct aio_look *l = &g->preflight.look;
    const char *mode = g->preflight.settings_read ? g->preflight.settings.backup_mode : "";
    if (l->borg_running)
        return strcmp(mode, "restore") == 0                              ? "restoring"
               : strcmp(mode, "backup") == 0                             ? "backing_up"
               : strcmp(mode, "check") == 0 || strcmp(mode, "test") == 0 ? "checking"
                                                                         : "borgbackup";
    if (l->watchtower_running)
        return "updating_mastercontainer";
    return l->script_running ? "daily_backup" : "idle";
}

static void show_phase(const struct glance *g, struct jsonw *w)
{
    char stage[48];
    const struct job *j = our_job(g);
    const char *what;
    bool busy = aio_look_busy(&g->preflight.look, &what);
    jsonw_kstr(w, "phase", j && our_stage(j, stage, sizeof stage) ? stage : foreign_phase(g));
    jsonw_kstr(w, "job_id", j ? job_id(j) : NULL);
    jsonw_kstr(w, "busy_with", busy ? what : NULL);
}

/* ---- the schedule ---- */

static void show_schedule(const struct glance *g, struct jsonw *w)
{
    const struct aio_schedule *s = &g->schedule;
    long long now = time(NULL);
    int minutes = aio_schedule_minutes(s, now);
    char text[8];
    jsonw_key(w, "schedule");
    if (!s->set) {
        jsonw_null(w);
        return;
    }
    time_t next = now - now % DAY_S + 60LL * s->minute_utc;
    if (next < now)
        next += DAY_S;
    struct tm local;
    jsonw_begin_object(w);
    (void)snprintf(text, sizeof text, "%02d:%02d", s->minute_utc / 60 % 24, s->minute_utc % 60);
    jsonw_kstr(w, "utc", text);
    tzset();
    if (localtime_r(&next, &local) && strftime(text, sizeof text, "%H:%M", &local))
        jsonw_kstr(w, "local", text);
    jsonw_kint(w, "next", next);
    jsonw_kint(w, "minutes", minutes);
    jsonw_kbool(w, "automatic_updates", s->updates);
    jsonw_kbool(w, "success_notifications", s->success_notifications);
    jsonw_end_object(w);
}

/* ---- backups ---- */

static void show_verified(const struct glance *g, struct jsonw *w)
{
    struct buf target;
    const json_t *one = json_array_get(
        json_object_get(json_object_get(g->verified, "result"), "backups"), g->verified_at);
    jsonw_key(w, "last_verified_backup");
    if (!one) {
        jsonw_null(w);
        return;
    }
    buf_init(&target, LIMIT_LINE);
    bool known = json_write(json_object_get(one, "target"), &target);
    jsonw_begin_object(w);
    jsonw_kstr(w, "archive", json_get_str(one, "archive", NULL));
    jsonw_kraw(w, "target", known ? buf_str(&target) : NULL);
    jsonw_kseconds(w, "ended", json_get_num(g->verified, "ended", 0));
    jsonw_kstr(w, "job_id", json_get_str(g->verified, "id", NULL));
    jsonw_end_object(w);
    buf_done(&target);
}

static void show_last(const struct glance *g, struct jsonw *w)
{
    jsonw_key(w, "last_run");
    if (!g->last) {
        jsonw_null(w);
        return;
    }
    const json_t *verdict = json_object_get(g->last, "verdict");
    jsonw_begin_object(w);
    jsonw_kstr(w, "job_id", json_get_str(g->last, "id", NULL));
    jsonw_kstr(w, "state", json_get_str(g->last, "state", NULL));
    jsonw_kstr(w, "word", json_get_str(verdict, "word", NULL));
    jsonw_kstr(w, "sentence", json_get_str(verdict, "sentence", NULL));
    jsonw_kseconds(w, "ended", json_get_num(g->last, "ended", 0));
    jsonw_end_object(w);
}

static void show_archives(const struct glance *g, struct jsonw *w)
{
    jsonw_key(w, "archives");
    jsonw_begin_array(w);
    for (size_t i = 0; i < g->archive_count; i++) {
        jsonw_begin_object(w);
        jsonw_kstr(w, "name", g->archives[i].name);
        jsonw_kint(w, "time", g->archives[i].time);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void show_target(const struct glance *g, struct jsonw *w)
{
    jsonw_key(w, "target");
    if (g->preflight.settings_read)
        aio_target_write(&g->preflight.settings.target, w);
    else
        jsonw_null(w);
    jsonw_key(w, "target_switched");
    if (!g->switched) {
        jsonw_null(w);
        return;
    }
    jsonw_begin_object(w);
    jsonw_kstr(w, "job_id", g->journal.job_id[0] ? g->journal.job_id : NULL);
    jsonw_key(w, "original");
    aio_target_write(&g->journal.original, w);
    jsonw_key(w, "intended");
    aio_target_write(&g->journal.intended, w);
    jsonw_kseconds(w, "since", (double)g->journal.began_ms / 1000);
    jsonw_end_object(w);
}

/* ---- problems ---- */

static void show_problem(struct jsonw *w, const char *id, const char *finding, const char *remedy)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "id", id);
    jsonw_kstr(w, "finding", finding);
    jsonw_kstr(w, "remedy", remedy && remedy[0] ? remedy : NULL);
    jsonw_end_object(w);
}

/* That AIO is busy, or that our own run has switched the target, is no problem: "phase" and
 * "target_switched" say so. */
static bool is_problem(const struct glance *g, const struct preflight_check *c)
{
    if (c->result != PREFLIGHT_FAILED && c->result != PREFLIGHT_WARNING)
        return false;
    if (strcmp(c->id, "idle") == 0 || strcmp(c->id, "restore") == 0)
        return false;
    return strcmp(c->id, "target_switched") != 0 || !our_job(g);
}

static void show_problems(const struct glance *g, struct jsonw *w)
{
    jsonw_key(w, "problems");
    jsonw_begin_array(w);
    for (size_t i = 0; i < g->preflight.count; i++) {
        const struct preflight_check *c = &g->preflight.checks[i];
        if (is_problem(g, c))
            show_problem(w, c->id, c->finding, c->remedy);
    }
    const char *what;
    bool busy = aio_look_busy(&g->preflight.look, &what) || our_job(g);
    if (!busy && !aio_service_up(&g->service))
        show_problem(w, "service_down", g->service.problem, "start AIO's containers");
    if (g->schedule_why.code != ERR_NONE)
        show_problem(w, "schedule", g->schedule_why.msg, NULL);
    if (g->archives_why.code != ERR_NONE)
        show_problem(w, "archives", g->archives_why.msg, NULL);
    const char *state = json_get_str(g->last, "state", "");
    if (g->last && strcmp(state, "succeeded") != 0)
        show_problem(w, "last_run",
                     json_get_str(json_object_get(g->last, "verdict"), "sentence", state), NULL);
    jsonw_end_array(w);
}

/* ---- the answer ---- */

static void answer(struct glance *g)
{
    struct call *c = g->c;
    struct buf b;
    struct jsonw w;
    const struct aio_look *l = &g->preflight.look;
    call_begin(c, &b, &w, true);
    show_phase(g, &w);
    jsonw_kbool(&w, "running", aio_service_up(&g->service));
    jsonw_kbool(&w, "stack_up", l->stack_up);
    jsonw_key(&w, "service");
    aio_service_write(&g->service, &w);
    jsonw_kstr(&w, "aio_version", l->version[0] ? l->version : NULL);
    jsonw_kstr(&w, "mastercontainer", l->master_found ? l->master.state : NULL);
    jsonw_kstr(&w, "mastercontainer_health", l->master.health[0] ? l->master.health : NULL);
    show_schedule(g, &w);
    show_target(g, &w);
    show_verified(g, &w);
    show_last(g, &w);
    show_archives(g, &w);
    show_problems(g, &w);
    json_decref(g->last);
    json_decref(g->verified);
    call_reply(c, 200, &b, &w);
}

/* ---- the records ---- */

static double ended(const json_t *record)
{
    return record ? json_get_num(record, "ended", 0) : -1;
}

static void keep(json_t **place, json_t *record)
{
    json_decref(*place);
    *place = json_incref(record);
}

static void fold(struct glance *g, json_t *record)
{
    const json_t *backups = json_object_get(json_object_get(record, "result"), "backups"), *one;
    size_t i;
    if (json_array_size(backups) > 0 && ended(record) > ended(g->last))
        keep(&g->last, record);
    json_array_foreach(backups, i, one)
    {
        if (json_get_bool(one, "ok", false) && ended(record) >= ended(g->verified) &&
            json_get_str(one, "archive", NULL)) {
            keep(&g->verified, record);
            g->verified_at = i;
        }
    }
}

static void next(struct glance *g);

static void got(void *arg, const struct store_job *rows, size_t n, int64_t cursor)
{
    struct glance *g = arg;
    struct call *c = g->c;
    const struct err *failed = http_gone(c->req) ? NULL : store_read_error(c->app->store);
    if (http_gone(c->req) || failed) {
        json_decref(g->last);
        json_decref(g->verified);
        if (failed)
            call_error(c, failed);
        else
            call_send(c, 200, NULL, NULL);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = rows[i].record;
        json_t *record = text ? json_parse(text, strlen(text), NULL) : NULL;
        if (record)
            fold(g, record);
        json_decref(record);
    }
    g->question++;
    next(g);
}

static void next(struct glance *g)
{
    if (g->question == sizeof questions / sizeof *questions) {
        answer(g);
        return;
    }
    const struct store_filter f = {.kind = questions[g->question].kind,
                                   .state = questions[g->question].state,
                                   .limit = questions[g->question].limit};
    store_jobs_list(g->c->app->store, &f, got, g);
}

static void asked(struct call *c, void *data)
{
    struct glance *g = data;
    if (g->ok)
        next(g);
    else
        call_engine_error(c, &g->e, g->hint);
}

void aio_read_overview(struct call *c)
{
    if (!c->app->aio.whitelist.master[0]) {
        struct err e;
        (void)err_field(&e, ERR_CONTAINER_NOT_FOUND, "AIO_MASTER",
                        "AIO_MASTER is empty: there is no Nextcloud AIO");
        call_error(c, &e);
        return;
    }
    struct glance *g = call_alloc(c, sizeof *g);
    if (!g)
        return;
    g->c = c;
    g->x = &c->app->aio;
    (void)call_in_task(c, ask, asked, g);
}
