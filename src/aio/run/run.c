#include "aio/run/run.h"

#include "aio/config/mask.h"
#include "aio/run/run_internal.h"
#include "aio/target/crash.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

void aio_outcome_done(struct aio_outcome *o)
{
    for (size_t i = 0; i < AIO_TARGETS_MAX; i++) {
        json_decref(o->backups[i].before);
        json_decref(o->backups[i].after);
        mem_free(o->backups[i].log_tail);
        o->backups[i].before = o->backups[i].after = NULL;
        o->backups[i].log_tail = NULL;
    }
    mem_free(o->out);
    mem_free(o->err);
    o->out = o->err = NULL;
}

bool aio_run_pending(const struct aio_context *x, char job_id[AIO_JOB_ID])
{
    struct run_journal j;
    struct target_journal t;
    struct err e = {0};
    job_id[0] = '\0';
    if (run_journal_read(x->state_dir, &j, &e)) {
        (void)snprintf(job_id, AIO_JOB_ID, "%s", j.job_id);
        return true;
    }
    if (e.code != ERR_NOT_FOUND)
        return true;
    e.code = ERR_NONE;
    if (!target_journal_read(x, &t, &e))
        return e.code != ERR_NOT_FOUND;
    (void)snprintf(job_id, AIO_JOB_ID, "%s", t.job_id);
    return true;
}

/* ---- begin and end of the structure ---- */

bool run_init(struct run *r, struct engine *en, const struct aio_context *x,
              const struct aio_wants *w, const struct aio_tell *tell, const atomic_bool *cancel,
              struct aio_outcome *out)
{
    *r = (struct run){
        .en = en, .x = x, .w = w, .tell = tell, .cancel = cancel, .out = out, .ev.code = -1};
    *out = (struct aio_outcome){.returncode = -1, .down_ms = -1};
    for (size_t i = 0; i < AIO_TARGETS_MAX; i++)
        out->backups[i].exit_code = -1;
    buf_init(&r->out_tail, AIO_TAIL);
    buf_init(&r->err_tail, AIO_TAIL);
    borg_watch_init(&r->borg);
    r->until_ms = follow_now_ms() + AIO_RUN_MS;
    r->mask = redact_new();
    return r->mask != NULL;
}

bool run_open(struct run *r, struct err *e)
{
    if (!aio_mask_config(r->mask, r->x->config_file, e))
        return false;
    struct follow_to to = run_follow_to;
    to.arg = r;
    r->follow = follow_new(r->en, r->mask, &to, run_paced(r, AIO_AGAIN_MS), e);
    return r->follow != NULL;
}

void run_done(struct run *r)
{
    follow_free(r->follow);
    if (r->out->env_count) {
        r->out->out = mem_strdup(buf_str(&r->out_tail));
        r->out->err = mem_strdup(buf_str(&r->err_tail));
    }
    buf_done(&r->out_tail);
    buf_done(&r->err_tail);
    borg_watch_done(&r->borg);
    redact_free(r->mask);
}

/* ---- before anything is changed ---- */

/* A journal that this run may go on from: the stop that its job has made before. */
static bool owed(const struct run *r)
{
    struct run_journal j;
    return r->w->start_containers && run_journal_read(r->x->state_dir, &j, NULL) && j.owes_start &&
           j.job_id[0] && strcmp(j.job_id, r->w->job_id) == 0;
}

static bool refuse(struct run *r, const char *word, const struct err *e)
{
    run_say_error(r, word, e);
    return false;
}

static bool preflight(struct run *r, bool was_owed)
{
    const struct aio_wants *w = r->w;
    const struct preflight_wants wants = {
        .backs_up = w->daily_backup,
        .stops = w->daily_backup || w->stop_containers,
        .starts = w->start_containers,
        .updates = w->automatic_updates,
        .checks = w->check_backup,
        .targets = w->target_count ? w->targets : NULL,
        .target_count = w->target_count,
        .strict = w->strict,
    };
    struct preflight *p = &r->out->preflight;
    struct err e = {0};
    run_stage(r, AIO_PREFLIGHT);
    if (!preflight_run(r->en, r->x, &wants, p, &e))
        return refuse(r, e.code == ERR_INTERRUPTED ? "interrupted" : "preflight_failed", &e);
    r->out->stack_was_up = p->look.stack_up || was_owed;
    if (!p->passed)
        return refuse(r, err_word(p->refusal.code), &p->refusal);
    crash_step(CRASH_RUN_PREFLIGHT);
    if (!run_cancelled(r))
        return true;
    r->out->cancelled = true;
    return refuse(
        r, "cancelled",
        &(struct err){.code = ERR_JOB_CANCELLED, .msg = "cancelled before anything was done"});
}

static bool write_journal(struct run *r)
{
    const struct aio_wants *w = r->w;
    const struct preflight *p = &r->out->preflight;
    struct run_journal *j = &r->journal;
    struct err e = {0};
    const struct aio_container *borg = aio_look_find(&p->look, AIO_BORG_NAME);
    *j = (struct run_journal){
        .began_ms = follow_unix_ms(),
        .stack_was_up = r->out->stack_was_up,
        .start_after = w->start_containers || w->automatic_updates || w->owes_start,
        .backs_up = w->daily_backup,
        .checks = w->check_backup,
        .target = w->target_count ? w->targets[0] : p->settings.target,
    };
    (void)snprintf(j->job_id, sizeof j->job_id, "%s", w->job_id);
    (void)snprintf(j->master_id, sizeof j->master_id, "%s", p->look.master.id);
    (void)snprintf(j->borg_id, sizeof j->borg_id, "%s", borg ? borg->id : "");
    if (!run_journal_write(r->x->state_dir, j, &e))
        return refuse(r, "journal_not_written", &e);
    crash_step(CRASH_RUN_JOURNAL);
    return true;
}

static bool prepare(struct run *r)
{
    char job[AIO_JOB_ID];
    struct err e = {0};
    bool was_owed = owed(r);
    if (!was_owed && aio_run_pending(r->x, job)) {
        (void)err_set(&e, ERR_RECOVERING,
                      "an earlier run of AIO is not over: what it changed is put back first");
        return refuse(r, "recovering", &e);
    }
    if (!preflight(r, was_owed))
        return false;
    if (!run_open(r, &e))
        return refuse(r, "not_started", &e);
    return write_journal(r);
}

/* ---- the run ---- */

static const char *mode_of(const struct aio_wants *w)
{
    if (w->daily_backup)
        return "backup";
    return w->check_backup ? "check" : NULL;
}

/* All in one exec: AIO stops, backs up and starts. */
static enum run_end single(struct run *r, struct aio_verdict *v)
{
    const struct aio_wants *w = r->w;
    const struct run_flags flags = {w->daily_backup, w->check_backup, w->stop_containers,
                                    w->start_containers, w->automatic_updates};
    struct aio_backup *b = &r->out->backups[0];
    const struct aio_target *t = &b->target;
    if (mode_of(w))
        r->out->backup_count = 1;
    if (w->target_count && !run_switch(r, t, true, &r->why))
        return RUN_NOT_BEGUN;
    enum run_end end = run_exec(r, &flags, mode_of(w), w->daily_backup ? t : NULL);
    if (end == RUN_LEFT)
        return end;
    run_put_back(r);
    if (end == RUN_ENDED && mode_of(w))
        run_judge_backup(r, b, v);
    else if (end == RUN_ENDED)
        aio_verdict_of_script(&r->ev, v);
    return end;
}

/* ---- after it ---- */

static void finish_target(struct run *r, struct aio_verdict *v)
{
    char before[sizeof v->sentence];
    struct err e = {0};
    if (!r->target_journal)
        return;
    bool restore = r->w->restore_after;
    bool ok =
        restore ? target_put_back(r->x, &e) && target_finish(r->x, &e) : target_stay(r->x, &e);
    r->out->target_restored = ok && restore;
    if (ok)
        return;
    r->out->left = true;
    (void)snprintf(before, sizeof before, "%s", v->sentence);
    aio_verdict_say(v, AIO_GRADE_FAILED, "target_not_restored", ERR_TARGET_SWITCHED,
                    "AIO's target could not be put back (%.180s), which is tried again; %.120s",
                    e.msg, before);
}

static void conclude(struct run *r, struct aio_verdict *v)
{
    const struct aio_wants *w = r->w;
    bool stopped =
        w->stop_containers && !w->daily_backup && !w->start_containers && !w->automatic_updates;
    crash_step(CRASH_RUN_OVER);
    if (r->touched && (w->start_containers || w->automatic_updates) && !run_see_to_service(r, v)) {
        r->out->left = true;
        return;
    }
    run_stage(r, AIO_VERIFYING);
    bool up = run_note_stack(r, stopped);
    if (stopped && up && v->grade != AIO_GRADE_FAILED) /* a script that was killed unseen */
        aio_verdict_say(v, AIO_GRADE_FAILED, "not_stopped", ERR_COMMAND_FAILED,
                        "AIO's script has ended, but its containers still run");
    finish_target(r, v);
    crash_step(CRASH_RUN_CONCLUDED);
    if (r->out->left)
        return;
    if (w->owes_start && r->touched) {
        r->journal.owes_start = true;
        (void)run_journal_write(r->x->state_dir, &r->journal, NULL);
    } else {
        (void)run_journal_drop(r->x->state_dir, NULL);
    }
}

static void say_left(struct run *r)
{
    const struct err *why = &r->why;
    struct aio_verdict v;
    r->out->left = r->out->still_running = true;
    aio_verdict_say(&v, AIO_GRADE_FAILED, "interrupted", ERR_INTERRUPTED,
                    "AIO's run could not be followed to its end (%s); what was changed is put back "
                    "when it is over",
                    why->code ? why->msg : "it lasted too long");
    run_say_verdict(r, &v);
}

static void work(struct run *r)
{
    struct aio_verdict v = {0};
    enum run_end end = r->w->target_count > 1 ? run_targets(r, &v) : single(r, &v);
    r->out->returncode = r->ev.code;
    if (end == RUN_LEFT) {
        say_left(r);
        return;
    }
    if (end == RUN_NOT_BEGUN) {
        enum err_code api = r->why.code ? r->why.code : ERR_INTERNAL;
        aio_verdict_say(&v, AIO_GRADE_FAILED, "not_started", api, "%s", r->why.msg);
    } else if (end == RUN_CANCELLED) {
        r->out->cancelled = r->out->still_running = true;
        aio_verdict_say(&v, AIO_GRADE_FAILED, "cancelled", ERR_JOB_CANCELLED,
                        "cancelled while AIO's script waited; the script itself cannot be stopped "
                        "and goes on when what it waits for has come");
    }
    conclude(r, &v);
    if (r->out->left && r->why.code == ERR_INTERRUPTED)
        say_left(r);
    else
        run_say_verdict(r, &v);
}

void aio_run(struct engine *en, const struct aio_context *x, const struct aio_wants *w,
             const struct aio_tell *tell, const atomic_bool *cancel, struct aio_outcome *out)
{
    struct run *r = mem_alloc(sizeof *r);
    if (!r || !run_init(r, en, x, w, tell, cancel, out)) {
        mem_free(r);
        *out = (struct aio_outcome){.returncode = -1, .down_ms = -1, .api = ERR_NO_MEMORY};
        (void)snprintf(out->word, sizeof out->word, "not_started");
        (void)snprintf(out->sentence, sizeof out->sentence, "no memory for AIO's run");
        return;
    }
    if (prepare(r)) {
        const struct aio_look *l = &out->preflight.look;
        const struct aio_container *apache = aio_look_find(l, AIO_APACHE_NAME);
        const struct aio_container *nextcloud = aio_look_find(l, AIO_NEXTCLOUD_NAME);
        downtime_begin(&r->down, apache && apache->running, nextcloud && nextcloud->running,
                       r->journal.began_ms);
        for (size_t i = 0; i < AIO_TARGETS_MAX; i++)
            out->backups[i].target =
                i < w->target_count ? w->targets[i] : out->preflight.settings.target;
        work(r);
    }
    if (!out->left)
        run_stage(r, AIO_DONE);
    run_done(r);
    mem_free(r);
}
