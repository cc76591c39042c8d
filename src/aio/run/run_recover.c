#include "aio/run/run_internal.h"
#include "aio/target/crash.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* What is pending. */
struct pending {
    struct run_journal run;
    bool has_run, has_target, target_back;
    struct target_journal target;
};

static bool read_pending(const struct aio_context *x, struct pending *p, struct err *e)
{
    *p = (struct pending){0};
    p->has_run = run_journal_read(x->state_dir, &p->run, e);
    if (!p->has_run && e->code != ERR_NOT_FOUND)
        return false;
    e->code = ERR_NONE;
    p->has_target = target_journal_read(x, &p->target, e);
    if (!p->has_target && e->code != ERR_NOT_FOUND)
        return false;
    if (!p->has_run && p->has_target) { /* it died before the one or after the other */
        (void)snprintf(p->run.borg_id, sizeof p->run.borg_id, "%s", p->target.borg_id);
        p->run.stack_was_up = p->target.stack_was_up;
        p->run.start_after = p->target.start_after;
        p->run.began_ms = p->target.began_ms;
        p->run.target = p->target.intended;
    }
    return true;
}

static void put_back(struct run *r, struct pending *p)
{
    struct err e = {0};
    if (!p->has_target || p->target_back)
        return;
    p->target_back = target_put_back(r->x, &e);
    if (!p->target_back)
        r->why = e;
}

/* Until no run of AIO is active. The target goes back as soon as borg has died, and else when
 * nothing runs any more. */
static bool wait_until_idle(struct run *r, struct pending *p, struct aio_look *l)
{
    for (;;) {
        struct err e = {0};
        const char *what = NULL;
        if (!run_look(r, l))
            return false;
        (void)run_borg_look(r, &e);
        if (r->borg.ended)
            put_back(r, p);
        if (!aio_look_busy(l, &what))
            return true;
        if (follow_now_ms() >= r->until_ms)
            return err_set(&r->why, ERR_TIMEOUT, "AIO's run goes on and on (%s)", what);
        run_stage(r, r->borg.running ? AIO_BACKING_UP : AIO_VERIFYING);
        if (!follow_wait(r->follow, run_paced(r, AIO_TICK_MS)))
            return err_set(&r->why, ERR_INTERRUPTED, "the daemon goes down");
        if (!run_sleep(r, run_paced(r, AIO_AGAIN_MS)))
            return false;
    }
}

/* The log of a container that has died is there as long as it is. */
static bool read_log(struct run *r)
{
    while (r->borg.id[0] && !run_borg_settled(r, follow_now_ms()))
        if (!follow_wait(r->follow, run_paced(r, AIO_TICK_MS)))
            return err_set(&r->why, ERR_INTERRUPTED, "the daemon goes down");
    return true;
}

static bool start_stack(struct run *r, const struct run_journal *j, const struct aio_look *l,
                        struct aio_verdict *v)
{
    static const struct run_flags start = {.start_containers = true};
    if (!j->stack_was_up || !j->start_after)
        return true;
    if (!l->stack_up && run_exec(r, &start, NULL, NULL) == RUN_LEFT)
        return false;
    return run_see_to_service(r, v);
}

/* What is known of the backup. The script's last lines are not: its stream is lost. */
static void judge(struct run *r, const struct run_journal *j, struct aio_verdict *v)
{
    struct aio_verdict found;
    struct aio_backup *b = &r->out->backups[0];
    const char *known = j->owes_start ? "its containers had been stopped" : "no borg was started";
    if (j->backs_up || j->checks) {
        r->ev.unseen = r->ev.over = true;
        r->ev.code = 0;
        b->target = j->target;
        r->out->backup_count = 1;
        run_judge_backup(r, b, &found);
        known = found.sentence;
    }
    aio_verdict_say(v, AIO_GRADE_FAILED, "interrupted", ERR_INTERRUPTED,
                    "the daemon was not there for all of this run of AIO; afterwards: %.280s",
                    known);
}

static bool recover(struct run *r, struct pending *p, struct aio_look *l, struct aio_verdict *v)
{
    struct err e = {0};
    const struct run_journal *j = &p->run;
    r->mode = j->checks ? "check" : "backup";
    r->target = &j->target;
    r->exec_ms = j->began_ms;
    r->journal = *j;
    borg_watch_begin_id(&r->borg, j->borg_id);
    const struct aio_tell *loud = r->tell; /* borg's lines have been told before */
    struct aio_tell quiet = *loud;
    quiet.line = NULL;
    r->tell = &quiet;
    bool idle = wait_until_idle(r, p, l) && read_log(r);
    r->tell = loud;
    if (!idle)
        return false;
    crash_step(CRASH_RECOVER_IDLE);
    put_back(r, p);
    if (p->has_target && (!p->target_back || !target_finish(r->x, &r->why)))
        return false;
    r->out->target_restored = p->has_target;
    crash_step(CRASH_RECOVER_PUT_BACK);
    judge(r, j, v);
    if (!start_stack(r, j, l, v))
        return false;
    (void)run_note_stack(r, false);
    r->out->stack_was_up = j->stack_was_up;
    r->out->down_ms = -1;
    return run_journal_drop(r->x->state_dir, &e);
}

static void say_left(struct run *r)
{
    run_say_error(r, "interrupted", &r->why);
    r->out->left = true;
}

/* False: it is not over (`why`). */
static bool recover_all(struct run *r, struct pending *p, struct aio_look *l, struct aio_verdict *v)
{
    if (!read_pending(r->x, p, &r->why) || !run_open(r, &r->why))
        return false;
    if (p->has_run || p->has_target)
        return recover(r, p, l, v);
    aio_verdict_say(v, AIO_GRADE_OK, "nothing_pending", ERR_NONE, "no run was left");
    return true;
}

static void work(struct run *r)
{
    struct pending *p = mem_zalloc(sizeof *p);
    struct aio_look *l = mem_zalloc(sizeof *l);
    struct aio_verdict v = {0};
    bool over = false;
    if (p && l)
        over = recover_all(r, p, l, &v);
    else
        (void)err_set(&r->why, ERR_NO_MEMORY, "no memory to recover AIO's run");
    if (over)
        run_say_verdict(r, &v);
    else
        say_left(r);
    mem_free(p);
    mem_free(l);
}

void aio_run_recover(struct engine *en, const struct aio_context *x, const struct aio_tell *tell,
                     struct aio_outcome *out)
{
    static const struct aio_wants none = {.restore_after = true};
    struct run *r = mem_alloc(sizeof *r);
    if (r && run_init(r, en, x, &none, tell, NULL, out)) {
        work(r);
        if (!out->left)
            run_stage(r, AIO_DONE);
        run_done(r);
    } else {
        *out = (struct aio_outcome){.returncode = -1, .down_ms = -1, .left = true};
        out->api = ERR_NO_MEMORY;
        (void)snprintf(out->word, sizeof out->word, "interrupted");
    }
    mem_free(r);
}
