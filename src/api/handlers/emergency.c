/* GET /emergency/status: what runs, is mounted, is locked and is up. What cannot be asked is null
 * and says why; the answer itself never fails for that. */
#include "api/handlers/emergency.h"

#include "aio/job/halt.h"
#include "aio/job/job.h"
#include "api/engine_call.h"
#include "api/lock_show.h"
#include "api/survey_call.h"
#include "api/worker.h"
#include "backup/restore/mount.h"
#include "backup/run/presence.h"
#include "jobs/hold.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

/* From here on the reference API grades so. */
enum {
    PROGRAMS_WARNING = 3,
    PROGRAMS_CRITICAL = 6,
    MOUNTS_WARNING = 4,
    LOCKS_WARNING = 1,
    LOCKS_CRITICAL = 3,
};

enum grade { GRADE_NORMAL, GRADE_WARNING, GRADE_CRITICAL };

struct status {
    const struct aio_context *aio;
    struct lock_survey *locks; /* NULL: locks_problem */
    struct err locks_problem;
    struct presence presence;
    bool docker_asked, docker_known;
    struct aio_look look; /* valid if docker_known */
    struct err docker_problem;
    char hint[256];
    /* while the answer is written */
    enum grade grade;
    size_t reason_count;
    char reasons[8][256];
};

/* ---- the grade ---- */

__attribute__((format(printf, 3, 4))) static void because(struct status *s, enum grade g,
                                                          const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (s->reason_count < sizeof s->reasons / sizeof *s->reasons)
        (void)vsnprintf(s->reasons[s->reason_count++], sizeof s->reasons[0], fmt, ap);
    va_end(ap);
    s->grade = g > s->grade ? g : s->grade;
}

/* A lock that a running job of ours holds is as it should be. */
static bool own_job_runs(struct app *app, const struct survey_config *one)
{
    for (size_t i = 0; one->config && i < one->config->count; i++)
        if (lock_word_of(one, i) == LOCK_LOCKED && !lock_job(app, &one->config->repos[i]))
            return false;
    return true;
}

static size_t strange_locks(struct app *app, const struct status *s)
{
    size_t n = 0;
    for (size_t i = 0; s->locks && i < lock_survey_count(s->locks); i++) {
        const struct survey_config *one = lock_survey_config(s->locks, i);
        n += lock_word_of_all(one, NULL) == LOCK_LOCKED && !own_job_runs(app, one);
    }
    return n;
}

static void judge(struct app *app, struct status *s)
{
    size_t programs = s->presence.borgmatics, locks = strange_locks(app, s);
    const struct hold_state *hold = hold_state(app->hold);
    const char *busy = NULL;
    if (programs >= PROGRAMS_WARNING)
        because(s, programs >= PROGRAMS_CRITICAL ? GRADE_CRITICAL : GRADE_WARNING,
                "%zu borgmatics run", programs);
    if (s->presence.mounts >= MOUNTS_WARNING)
        because(s, GRADE_WARNING, "%zu borg mounts exist", s->presence.mounts);
    if (locks >= LOCKS_WARNING)
        because(s, locks >= LOCKS_CRITICAL ? GRADE_CRITICAL : GRADE_WARNING,
                "%zu configurations have a locked repository on which no job of this service works",
                locks);
    if (hold->on)
        because(s, GRADE_WARNING, "new work is on hold (level %s)", hold->level);
    if (hold_problem(app->hold)[0])
        because(s, GRADE_WARNING, "%s", hold_problem(app->hold));
    if (!s->docker_known)
        return;
    bool runs = aio_look_busy(&s->look, &busy);
    if (s->look.master_found && !s->look.stack_up && !runs)
        because(s, GRADE_WARNING, "Nextcloud does not run, and no run of AIO is active%s",
                hold->owes_start ? "; an emergency shutdown stopped it" : "");
}

/* ---- the answer ---- */

static void write_count(struct jsonw *w, const char *key, bool known, size_t n)
{
    jsonw_key(w, key);
    if (known)
        jsonw_int(w, (int64_t)n);
    else
        jsonw_null(w);
}

static void write_aio(const struct status *s, struct jsonw *w)
{
    const char *busy = NULL;
    size_t running = 0;
    for (size_t i = 0; s->docker_known && i < s->look.count; i++)
        running += s->look.containers[i].running;
    write_count(w, "aio_containers_running", s->docker_known, running);
    write_count(w, "aio_containers_total", s->docker_known, s->look.count);
    jsonw_key(w, "aio_run");
    if (s->docker_known && aio_look_busy(&s->look, &busy))
        jsonw_str(w, busy);
    else
        jsonw_null(w);
    jsonw_kstr(w, "aio_problem",
               s->docker_known   ? NULL
               : s->docker_asked ? s->docker_problem.msg
                                 : "AIO_MASTER is empty: there is no Nextcloud AIO");
    if (s->hint[0])
        jsonw_kstr(w, "aio_hint", s->hint);
}

static void write_labels(const struct status *s, struct jsonw *w, const char *key,
                         enum lock_word word)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (size_t i = 0; s->locks && i < lock_survey_count(s->locks); i++)
        if (lock_word_of_all(lock_survey_config(s->locks, i), NULL) == word)
            jsonw_str(w, lock_survey_config(s->locks, i)->label);
    jsonw_end_array(w);
}

static void write_locks(const struct status *s, struct jsonw *w)
{
    if (!s->locks) {
        jsonw_key(w, "active_locks");
        jsonw_null(w);
        jsonw_kstr(w, "locks_problem", s->locks_problem.msg);
        return;
    }
    write_labels(s, w, "active_locks", LOCK_LOCKED);
    write_labels(s, w, "unknown_locks", LOCK_NOT_KNOWN);
}

static void write_mounts(const struct status *s, struct jsonw *w)
{
    jsonw_key(w, "mounts");
    jsonw_begin_array(w);
    for (size_t i = 0; i < s->presence.mount_count; i++) {
        const struct mount *ours = mounts_find(s->presence.mount[i].point);
        const struct job *j = ours ? mount_job(ours) : NULL;
        jsonw_begin_object(w);
        jsonw_kstr(w, "mount_point", s->presence.mount[i].point);
        jsonw_kstr(w, "job_id", j ? job_id(j) : NULL);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_rest(const struct call *c, const struct status *s, struct jsonw *w)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    jsonw_kseconds(w, "timestamp", (double)now.tv_sec + (double)now.tv_usec / 1e6);
    jsonw_kint(w, "active_borg_processes", (int64_t)s->presence.borgs);
    jsonw_key(w, "processes");
    presence_write_programs(&s->presence, false, w);
    write_mounts(s, w);
    jsonw_kint(w, "jobs_running", (int64_t)jobs_running(c->app->jobs));
    jsonw_key(w, "hold");
    hold_write(c->app->hold, w);
    jsonw_kbool(w, "owes_start", hold_state(c->app->hold)->owes_start);
    jsonw_key(w, "reasons");
    jsonw_begin_array(w);
    for (size_t i = 0; i < s->reason_count; i++)
        jsonw_str(w, s->reasons[i]);
    jsonw_end_array(w);
}

static void answer(struct call *c, void *data)
{
    static const char *const words[] = {"normal", "warning", "critical"};
    struct status *s = data;
    struct buf b;
    struct jsonw w;
    judge(c->app, s);
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "status", words[s->grade]);
    jsonw_kint(&w, "active_borgmatic_processes", (int64_t)s->presence.borgmatics);
    jsonw_kint(&w, "active_borg_mounts", (int64_t)s->presence.mounts);
    write_aio(s, &w);
    write_locks(s, &w);
    write_rest(c, s, &w);
    lock_survey_free(s->locks);
    call_reply(c, 200, &b, &w);
}

/* ---- asking ---- */

static void look(void *data)
{
    struct status *s = data;
    presence_look(&s->presence);
}

static void look_and_ask(struct engine *en, void *data)
{
    struct status *s = data;
    look(s);
    s->docker_known = aio_look(en, s->aio, &s->look, &s->docker_problem);
    if (!s->docker_known)
        (void)snprintf(s->hint, sizeof s->hint, "%s", engine_hint(en));
}

static void go_on(struct call *c)
{
    struct status *s = c->state;
    const struct config *set = c->app->config;
    s->docker_asked = !set->aio_master_set || set->aio_master[0];
    if (s->docker_asked)
        (void)call_in_task(c, look_and_ask, answer, s);
    else
        (void)call_in_worker(c, look, answer, s);
}

static void surveyed(struct call *c, struct lock_survey *locks)
{
    struct status *s = c->state;
    s->locks = locks;
    go_on(c);
}

static void not_surveyed(struct call *c, const struct err *e)
{
    struct status *s = c->state;
    s->locks_problem = *e;
    go_on(c);
}

void emergency_status(struct call *c)
{
    struct status *s = call_alloc(c, sizeof *s);
    if (!s)
        return;
    s->aio = &c->app->aio;
    c->state = s;
    survey_call(c, &(struct survey_question){.look = true,
                                             .probe = true,
                                             .deadline_ms = OVERVIEW_MS,
                                             .known = surveyed,
                                             .failed = not_surveyed});
}
