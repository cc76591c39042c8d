#include "api/emergency_report.h"

#include <stdio.h>
#include <string.h>

static const char *const levels[] = {
    [EMERGENCY_HOLD] = "hold", [EMERGENCY_LEVEL_JOBS] = "jobs", [EMERGENCY_ALL] = "all"};

const char *emergency_level_name(enum emergency_level l)
{
    return levels[l];
}

enum emergency_level emergency_level_parse(const char *level)
{
    for (int l = EMERGENCY_HOLD; l < EMERGENCY_ALL; l++)
        if (strcmp(level, levels[l]) == 0)
            return (enum emergency_level)l;
    return EMERGENCY_ALL;
}

/* ---- what is left ---- */

static bool stays(const struct emergency_job *j)
{
    return !j->ended && !j->workflow && !j->recovers;
}

static size_t containers_left(const struct emergency_report *r)
{
    size_t n = 0;
    for (size_t i = 0; r->stack_done && i < r->halt.count; i++)
        n += r->halt.steps[i].state != HALT_STOPPED;
    return n;
}

/* Jobs that have not ended (workflows apart), mounts and containers that are still there. */
static size_t things_left(const struct emergency_report *r)
{
    size_t n = containers_left(r);
    for (size_t i = 0; r->jobs_done && i < r->job_count; i++)
        n += stays(&r->jobs[i]);
    return n;
}

/* Something of ours or AIO's goes on that cannot be ended; `why` gets a sentence. */
static bool goes_on(const struct emergency_report *r, char *why, size_t size)
{
    for (size_t i = 0; r->jobs_done && i < r->job_count; i++)
        if (r->jobs[i].workflow && !r->jobs[i].ended) {
            (void)snprintf(
                why, size,
                "AIO's script cannot be stopped: job %s goes on to its end and may start "
                "containers again",
                r->jobs[i].id);
            return true;
        }
    if (r->planned && r->halt.busy)
        (void)snprintf(why, size,
                       "%s of AIO runs; it is not ended, and it may start containers again",
                       r->halt.busy);
    return r->planned && r->halt.busy;
}

static void judge_well(const struct emergency_report *r, struct emergency_verdict *v)
{
    v->word = "held";
    if (r->level == EMERGENCY_LEVEL_JOBS || r->stack_skipped[0])
        v->word = "jobs_ended";
    else if (r->level == EMERGENCY_ALL)
        v->word = "stopped";
    (void)snprintf(v->sentence, sizeof v->sentence,
                   "new work is refused until POST /emergency/resume%s%s",
                   r->jobs_done ? "; what this service ran has ended" : "",
                   r->stack_done ? "; Nextcloud AIO is stopped" : "");
}

void emergency_judge(const struct emergency_report *r, const struct err *hold,
                     struct emergency_verdict *v)
{
    size_t left = things_left(r);
    *v = (struct emergency_verdict){.state = JOB_SUCCEEDED};
    judge_well(r, v);
    if (left || r->stack_error.code != ERR_NONE) {
        v->state = JOB_FAILED;
        v->word = "incomplete";
        v->api = r->stack_error.code != ERR_NONE ? r->stack_error.code : ERR_COMMAND_FAILED;
        if (left)
            (void)snprintf(v->sentence, sizeof v->sentence,
                           "%zu jobs, mounts or containers are still there; the results say which",
                           left);
        else
            (void)snprintf(v->sentence, sizeof v->sentence,
                           "new work is refused, but Nextcloud AIO could not be stopped: %s",
                           r->stack_error.msg);
    } else if (goes_on(r, v->sentence, sizeof v->sentence)) {
        v->state = JOB_WARNING;
        v->word = "aio_goes_on";
    } else if (hold->code != ERR_NONE) {
        v->state = JOB_WARNING;
        v->word = "hold_not_durable";
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "the hold is in force but ends with this process: %s", hold->msg);
    }
}

/* ---- the parts ---- */

static void write_skipped(struct jsonw *w, const char *key, const char *reason)
{
    jsonw_key(w, key);
    jsonw_begin_object(w);
    jsonw_kbool(w, "skipped", true);
    jsonw_kstr(w, "reason", reason);
    jsonw_end_object(w);
}

/* The reference API's three; the text is already escaped by jsonw. */
static void write_outcome(struct jsonw *w, bool well, struct buf *out, struct buf *err)
{
    jsonw_kint(w, "rc", well ? 0 : 1);
    jsonw_kstr(w, "stdout", buf_str(out));
    jsonw_kstr(w, "stderr", buf_str(err));
    buf_done(out);
    buf_done(err);
}

static void write_mounts_of_others(const struct emergency_report *r, struct jsonw *w)
{
    jsonw_key(w, "untouched");
    jsonw_begin_array(w);
    for (size_t i = 0; i < r->presence.mount_count; i++) {
        bool ours = false;
        for (size_t k = 0; k < r->job_count; k++)
            ours = ours || strcmp(r->jobs[k].mount_point, r->presence.mount[i].point) == 0;
        if (!ours)
            jsonw_str(w, r->presence.mount[i].point);
    }
    jsonw_end_array(w);
}

static void write_umount(const struct emergency_report *r, struct jsonw *w)
{
    struct buf out, err;
    bool well = true;
    buf_init(&out, LIMIT_RECORD);
    buf_init(&err, LIMIT_RECORD);
    jsonw_key(w, "umount");
    jsonw_begin_object(w);
    jsonw_key(w, r->would ? "would_release" : "released");
    jsonw_begin_array(w);
    for (size_t i = 0; i < r->job_count; i++) {
        const struct emergency_job *j = &r->jobs[i];
        if (!j->mount_point[0])
            continue;
        well = well && (r->would || j->ended);
        if (!r->would)
            (void)buf_printf(j->ended ? &out : &err, "%s %s\n",
                             j->ended ? "released" : "still mounted:", j->mount_point);
        if (!r->would && !j->ended)
            continue;
        jsonw_begin_object(w);
        jsonw_kstr(w, "mount_point", j->mount_point);
        jsonw_kstr(w, "job_id", j->id);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    if (r->looked)
        write_mounts_of_others(r, w);
    write_outcome(w, well, &out, &err);
    jsonw_end_object(w);
}

static void write_jobs(const struct emergency_report *r, struct jsonw *w, const char *key,
                       bool ended)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (size_t i = 0; i < r->job_count; i++) {
        const struct emergency_job *j = &r->jobs[i];
        if (j->mount_point[0] || (!r->would && j->ended != ended))
            continue;
        jsonw_begin_object(w);
        jsonw_kstr(w, "job_id", j->id);
        jsonw_kstr(w, "kind", j->kind);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_kill(const struct emergency_report *r, struct jsonw *w)
{
    bool well = true;
    for (size_t i = 0; i < r->job_count; i++)
        well = well && (r->would || !stays(&r->jobs[i]));
    jsonw_key(w, "kill_borgmatic");
    jsonw_begin_object(w);
    jsonw_kbool(w, "ok", well);
    write_jobs(r, w, r->would ? "would_cancel" : "cancelled", true);
    if (!r->would)
        write_jobs(r, w, "still_running", false);
    if (r->looked) { /* whoever runs them: they are no work of this service */
        jsonw_key(w, "untouched");
        presence_write_programs(&r->presence, true, w);
    }
    jsonw_end_object(w);
}

static void write_step(const struct halt_step *s, bool would, struct jsonw *w)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "name", s->name);
    jsonw_key(w, "grace_seconds");
    if (s->grace_s >= 0)
        jsonw_int(w, s->grace_s);
    else /* the container's own */
        jsonw_null(w);
    if (!would) {
        jsonw_kseconds(w, "seconds", (double)s->ms / 1000);
        jsonw_key(w, "exit_code");
        if (s->exit_code >= 0)
            jsonw_int(w, s->exit_code);
        else
            jsonw_null(w);
        jsonw_kstr(w, "problem", s->problem[0] ? s->problem : NULL);
    }
    jsonw_end_object(w);
}

static void write_steps(const struct emergency_report *r, struct jsonw *w, const char *key,
                        bool stopped)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (size_t i = 0; i < r->halt.count; i++)
        if (r->would || (r->halt.steps[i].state == HALT_STOPPED) == stopped)
            write_step(&r->halt.steps[i], r->would, w);
    jsonw_end_array(w);
}

static void write_containers(const struct emergency_report *r, struct jsonw *w)
{
    struct buf out, err;
    buf_init(&out, LIMIT_RECORD);
    buf_init(&err, LIMIT_RECORD);
    for (size_t i = 0; r->stack_done && i < r->halt.count; i++) {
        const struct halt_step *s = &r->halt.steps[i];
        if (s->state == HALT_STOPPED)
            (void)buf_printf(&out, "%s\n", s->name);
        else
            (void)buf_printf(&err, "Failed to stop %s: %s\n", s->name,
                             s->problem[0] ? s->problem : "it was not reached");
    }
    write_steps(r, w, r->would ? "would_stop" : "stopped", true);
    if (r->stack_done)
        write_steps(r, w, "failed", false);
    jsonw_key(w, "untouched");
    jsonw_begin_array(w);
    for (size_t i = 0; i < r->halt.left_count; i++)
        jsonw_str(w, r->halt.left[i]);
    jsonw_end_array(w);
    jsonw_kstr(w, "aio_run", r->halt.busy);
    write_outcome(w, containers_left(r) == 0 && r->stack_error.code == ERR_NONE, &out, &err);
}

static void write_stack(const struct emergency_report *r, struct jsonw *w)
{
    if (r->stack_skipped[0]) {
        write_skipped(w, "stop_containers", r->stack_skipped);
        return;
    }
    jsonw_key(w, "stop_containers");
    jsonw_begin_object(w);
    if (r->stack_error.code != ERR_NONE) {
        jsonw_key(w, "error");
        jsonw_begin_object(w);
        jsonw_kstr(w, "error", err_word(r->stack_error.code));
        jsonw_kstr(w, "message", r->stack_error.msg);
        jsonw_kstr(w, "hint", r->hint);
        jsonw_end_object(w);
    }
    if (r->planned)
        write_containers(r, w);
    else if (r->stack_error.code == ERR_NONE)
        jsonw_kbool(w, "pending", true);
    jsonw_end_object(w);
}

void emergency_write_results(const struct emergency_report *r, struct jsonw *w)
{
    static const char no_jobs[] = "the level is \"hold\": what runs goes on";
    jsonw_key(w, "results");
    jsonw_begin_object(w);
    if (r->level == EMERGENCY_HOLD) {
        write_skipped(w, "umount", no_jobs);
        write_skipped(w, "kill_borgmatic", no_jobs);
    } else {
        write_umount(r, w);
        write_kill(r, w);
    }
    if (r->level == EMERGENCY_ALL)
        write_stack(r, w);
    else
        write_skipped(w, "stop_containers", "only the level \"all\" stops Nextcloud AIO");
    write_skipped(w, "cache_cleanup",
                  "borg's cache is never deleted: it holds nothing that could be in the way, and "
                  "the next backup would take hours to make it again");
    jsonw_end_object(w);
}
