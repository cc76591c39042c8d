#include "aio/run/run_internal.h"
#include "aio/target/crash.h"

#include <stdio.h>
#include <string.h>

bool run_switch(struct run *r, const struct aio_target *t, bool first, struct err *e)
{
    struct target_journal j = {.intended = *t,
                               .stack_was_up = r->journal.stack_was_up,
                               .start_after = r->journal.start_after,
                               .began_ms = r->journal.began_ms};
    (void)snprintf(j.job_id, sizeof j.job_id, "%s", r->journal.job_id);
    (void)snprintf(j.master_id, sizeof j.master_id, "%s", r->journal.master_id);
    (void)snprintf(j.borg_id, sizeof j.borg_id, "%s", r->journal.borg_id);
    bool ok = first ? target_switch(r->x, &j, e) : target_switch_next(r->x, t, e);
    bool journal = ok || !first || e->code == ERR_TARGET_SWITCHED;
    r->target_journal = r->switched = journal;
    if (!ok && journal)
        run_put_back(r);
    if (ok)
        crash_step(CRASH_RUN_SWITCHED);
    return ok;
}

static void not_begun(struct aio_backup *b, struct aio_verdict *v, const char *word,
                      const struct err *e)
{
    aio_verdict_say(v, AIO_GRADE_FAILED, word, e->code, "%s", e->msg);
    (void)snprintf(b->word, sizeof b->word, "%s", v->word);
    (void)snprintf(b->sentence, sizeof b->sentence, "%s", v->sentence);
}

/* One of them, while the stack is down. A failure keeps nobody from the next. */
static enum run_end one(struct run *r, size_t i, struct aio_verdict *v)
{
    static const struct run_flags backup = {.daily_backup = true};
    struct aio_backup *b = &r->out->backups[i];
    const struct aio_target *t = &r->w->targets[i];
    struct err e = {0};
    r->journal.target = *t;
    if (run_cancelled(r)) {
        (void)err_set(&e, ERR_JOB_CANCELLED, "cancelled before this target's turn");
        not_begun(b, v, "not_begun", &e);
        return RUN_ENDED;
    }
    (void)run_journal_write(r->x->state_dir, &r->journal, NULL);
    if (!run_switch(r, t, !r->target_journal, &e)) {
        not_begun(b, v, "target_not_switched", &e);
        return RUN_ENDED;
    }
    enum run_end end = run_exec(r, &backup, "backup", t);
    if (end == RUN_LEFT)
        return end;
    run_put_back(r);
    if (end == RUN_NOT_BEGUN)
        not_begun(b, v, "not_started", &r->why);
    else
        run_judge_backup(r, b, v);
    return end;
}

static enum run_end stop_all(struct run *r, struct aio_verdict *v)
{
    static const struct run_flags stop = {.stop_containers = true};
    enum run_end end = run_exec(r, &stop, NULL, NULL);
    if (end == RUN_ENDED)
        aio_verdict_of_script(&r->ev, v);
    return end;
}

enum run_end run_targets(struct run *r, struct aio_verdict *worst)
{
    struct aio_verdict v = {0};
    enum run_end end = stop_all(r, worst);
    if (end != RUN_ENDED || r->ev.guard != AIO_MARK_NONE)
        return end;
    struct aio_verdict stop = *worst;
    size_t good = 0;
    for (size_t i = 0; i < r->w->target_count; i++) {
        r->out->backup_count = i + 1;
        if (one(r, i, &v) == RUN_LEFT)
            return RUN_LEFT;
        good += v.grade == AIO_GRADE_OK;
        if (i == 0 || aio_verdict_worse(&v, worst))
            *worst = v;
    }
    if (good == r->w->target_count)
        aio_verdict_say(worst, AIO_GRADE_OK, "succeeded", ERR_NONE,
                        "the backups to all %zu targets succeeded", good);
    if (stop.grade != AIO_GRADE_OK && worst->grade == AIO_GRADE_OK) {
        *worst = stop;
        worst->grade = AIO_GRADE_WARNING;
        worst->api = ERR_NONE;
    }
    if (!r->w->start_containers && !r->w->automatic_updates)
        return RUN_ENDED;
    const struct run_flags start = {.start_containers = r->w->start_containers,
                                    .automatic_updates = r->w->automatic_updates};
    return run_exec(r, &start, NULL, NULL) == RUN_LEFT ? RUN_LEFT : RUN_ENDED;
}
