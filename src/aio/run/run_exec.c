#include "aio/run/run_internal.h"
#include "aio/target/crash.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

unsigned run_paced(const struct run *r, unsigned ms)
{
    uint64_t paced = (uint64_t)ms * r->x->pace_percent / 100;
    return paced ? (unsigned)paced : 1;
}

void run_stage(struct run *r, enum aio_stage s)
{
    if (s == r->stage)
        return;
    r->stage = s;
    if (r->tell->stage)
        r->tell->stage(r->tell->arg, s);
}

bool run_cancelled(const struct run *r)
{
    return r->cancel && atomic_load(r->cancel);
}

/* ---- the command ---- */

/* All five flags always: an exec inherits the mastercontainer's environment. */
static void write_env(const struct run *r, char env[AIO_ENV_MAX][AIO_ENV], size_t *count)
{
    const struct {
        const char *name;
        bool on;
    } flags[] = {
        {"DAILY_BACKUP", r->flags.daily_backup},
        {"CHECK_BACKUP", r->flags.check_backup},
        {"STOP_CONTAINERS", r->flags.stop_containers},
        {"START_CONTAINERS", r->flags.start_containers},
        {"AUTOMATIC_UPDATES", r->flags.automatic_updates},
        {"SEND_SUCCESS_NOTIFICATIONS", r->w->send_notifications},
    };
    *count = sizeof flags / sizeof *flags;
    for (size_t i = 0; i < *count; i++)
        (void)snprintf(env[i], AIO_ENV, "%s=%d", flags[i].name, flags[i].on);
}

/* The word changes nothing: the script reads no argument. It is how the call has always looked. */
static bool only_stops(const struct run_flags *f)
{
    return f->stop_containers && !f->daily_backup && !f->check_backup && !f->start_containers &&
           !f->automatic_updates;
}

static bool start_exec(struct run *r)
{
    char env[AIO_ENV_MAX][AIO_ENV];
    const char *list[AIO_ENV_MAX + 1] = {NULL};
    size_t count;
    write_env(r, env, &count);
    for (size_t i = 0; i < count; i++)
        list[i] = env[i];
    if (!r->out->env_count) {
        memcpy(r->out->env, env, sizeof env);
        r->out->env_count = count;
    }
    const char *argv[] = {r->x->whitelist.daily, only_stops(&r->flags) ? "stop" : NULL, NULL};
    const struct exec_command c = {.container = r->x->whitelist.master,
                                   .argv = argv,
                                   .env = list,
                                   .audit = r->tell->executed,
                                   .audit_arg = r->tell->arg};
    return follow_exec(r->follow, &r->x->whitelist, &c, r->exec_id, &r->why);
}

/* ---- one exec ---- */

static void forget_last(struct run *r)
{
    r->ev = (struct aio_evidence){.code = -1};
    r->ask_now = r->end_asked = r->codeless = r->asked_last = r->by_schedule = false;
    r->ask_ms = r->stats_ms = r->died_ms = r->finished_ms = r->lost_ms = 0;
    stall_init(&r->stall, follow_now_ms());
}

/* What is there before, so that what is new can be told from it. */
static bool note_before(struct run *r)
{
    struct aio_look *l = mem_zalloc(sizeof *l);
    bool ok = l && run_look(r, l);
    if (!l)
        (void)err_set(&r->why, ERR_NO_MEMORY, "no memory to look at AIO's containers");
    if (ok)
        run_note_master(r, l);
    mem_free(l);
    if (!ok)
        return false;
    struct err e = {0};
    json_t *borg = engine_inspect(r->en, AIO_BORG_NAME, &e);
    ok = borg || e.code == ERR_CONTAINER_NOT_FOUND;
    if (ok)
        borg_watch_begin(&r->borg, borg);
    else
        r->why = e;
    json_decref(borg);
    return ok;
}

static bool begin(struct run *r)
{
    forget_last(r);
    if (!note_before(r))
        return false;
    r->exec_ms = follow_unix_ms();
    /* Opens the events before anything happens. */
    if (!follow_wait(r->follow, 1))
        return err_set(&r->why, ERR_INTERRUPTED, "the daemon goes down");
    if (!start_exec(r))
        return false;
    crash_step(CRASH_RUN_EXEC);
    return true;
}

static bool proven(const struct run *r)
{
    return aio_script_finished(&r->ev) || r->ev.guard != AIO_MARK_NONE;
}

/* AIO's own run after a restart: what the mastercontainer says is what the script says. */
static enum run_end follow_own(struct run *r)
{
    struct err e = {0};
    bool restarted = r->ev.master_restarted;
    if (r->tell->notice)
        r->tell->notice(r->tell->arg, "taken_over",
                        "the mastercontainer was restarted, and AIO goes on with a backup by its "
                        "own schedule; that run is followed");
    forget_last(r);
    r->ev.master_restarted = restarted;
    r->by_schedule = true;
    if (!r->mode)
        r->mode = "backup";
    if (!follow_script_log(r->follow, r->x->whitelist.master, r->master_started_ms, &e))
        r->ev.unseen = true;
    return run_follow(r);
}

enum run_end run_exec(struct run *r, const struct run_flags *flags, const char *mode,
                      const struct aio_target *target)
{
    r->flags = *flags;
    r->mode = mode;
    r->target = target;
    for (int pass = 0; pass < AIO_PASSES; pass++) {
        if (!begin(r))
            return pass == 0 ? RUN_NOT_BEGUN : RUN_ENDED;
        enum run_end end = run_follow(r);
        if (end != RUN_ENDED || proven(r))
            return end;
        switch (run_master_gone(r)) {
        case NEXT_OVER:
            return RUN_ENDED;
        case NEXT_LEFT:
            return RUN_LEFT;
        case NEXT_OWN:
            return follow_own(r);
        case NEXT_AGAIN:
            break;
        }
        if (r->tell->notice)
            r->tell->notice(r->tell->arg, "second_pass",
                            "the mastercontainer has been updated, which ends the script; it is "
                            "run again with the same settings, as AIO says");
    }
    return RUN_ENDED;
}
