/* POST /emergency/resume: lifts the hold, and starts AIO's stack again if a shutdown stopped it: a
 * job of AIO's, like any other start. The start stays owed until it has succeeded. */
#include "api/handlers/emergency.h"

#include "api/emergency_job.h"
#include "api/idempotency.h"
#include "jobs/hold.h"

#include <string.h>
#include <sys/time.h>

/* ---- the answer ---- */

static void write_state(struct call *c, struct jsonw *w, bool lifted)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    jsonw_kbool(w, "resumed", lifted);
    jsonw_key(w, "hold");
    hold_write(c->app->hold, w);
    jsonw_kstr(w, "hold_problem",
               hold_problem(c->app->hold)[0] ? hold_problem(c->app->hold) : NULL);
    jsonw_kseconds(w, "timestamp", (double)now.tv_sec + (double)now.tv_usec / 1e6);
}

static void answer_without_start(struct call *c, bool lifted)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    write_state(c, &w, lifted);
    jsonw_key(&w, "start_containers");
    jsonw_begin_object(&w);
    bool owes = hold_state(c->app->hold)->owes_start;
    jsonw_kbool(&w, owes ? "pending" : "skipped", true);
    jsonw_kstr(&w, "reason",
               owes ? "Nextcloud AIO is still to be started"
                    : "no emergency shutdown stopped Nextcloud AIO");
    jsonw_end_object(&w);
    call_reply(c, 200, &b, &w);
}

/* ---- the hold ---- */

static void on_lifted(void *arg, const struct err *e)
{
    struct call *c = arg;
    const struct emergency_spec who = {.level =
                                           emergency_level_parse(hold_state(c->app->hold)->level),
                                       .role = role_name(c->role),
                                       .identity = c->identity,
                                       .address = c->req->peer,
                                       .reason = call_str(c, "reason", NULL)};
    emergency_audit(c->app, &who, "emergency_resume", NULL, "done");
    answer_without_start(c, true);
}

static void resume_now(struct call *c)
{
    struct err e;
    struct hold_state s = *hold_state(c->app->hold);
    const struct job *other = jobs_holder(c->app->jobs, EMERGENCY_KEY);
    if (other) {
        (void)err_set(&e, ERR_JOB_RUNNING, "the emergency shutdown %s is not over", job_id(other));
        call_error_job(c, &e, job_id(other));
        return;
    }
    if (!s.on && !s.owes_start) {
        answer_without_start(c, false);
        return;
    }
    s.on = false;
    if (hold_set(c->app->hold, &s, on_lifted, c))
        return;
    (void)err_set(&e, ERR_IN_FLIGHT, "another resume is in hand");
    call_error(c, &e);
}

void emergency_resume(struct call *c)
{
    call_idempotent(c, resume_now);
}
