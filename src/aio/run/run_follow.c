#include "aio/run/run_internal.h"

#include "aio/target/crash.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* What the Engine says of an exec to whose stream it could not write any more, while the command
 * goes on (moby, daemon/exec.go). */
enum { EXEC_CUT = 126 };

/* ---- what is said ---- */

/* Stages of borg's log that the script, which only polls for the container's end, does not know. */
static bool goes_back(const struct run *r, enum aio_stage s)
{
    return s == AIO_BACKING_UP && r->borg.id[0] && r->stage >= AIO_BACKING_UP;
}

static void take_mark(struct run *r, enum aio_mark mark)
{
    if (mark == AIO_MARK_NOT_SET_UP || mark == AIO_MARK_RESTORING || mark == AIO_MARK_CONTRADICTION)
        r->ev.guard = mark;
    if (mark != AIO_MARK_FINISHED)
        return;
    r->ev.finish_line = true;
    r->finished_ms = follow_now_ms();
    crash_step(CRASH_RUN_FINISHED);
}

static void on_script(void *arg, bool is_stderr, const char *line, size_t n)
{
    struct run *r = arg;
    enum aio_mark mark;
    char text[512];
    aio_tail_add(is_stderr ? &r->err_tail : &r->out_tail, line, n);
    if (r->tell->line)
        r->tell->line(r->tell->arg, is_stderr ? "stderr" : "stdout", line, n);
    if (is_stderr || n >= sizeof text) /* nc's complaints in a waiting loop are no movement */
        return;
    memcpy(text, line, n);
    text[n] = '\0';
    stall_line(&r->stall, text, follow_now_ms());
    enum aio_stage s = aio_script_line(text, &mark);
    take_mark(r, mark);
    if (s == AIO_STAGE_NONE || goes_back(r, s))
        return;
    if (!aio_stage_waits(s))
        r->touched = true;
    run_stage(r, s);
}

static void on_borg(void *arg, const char *line, size_t n)
{
    struct run *r = arg;
    enum aio_stage s = borg_watch_line(&r->borg, line, n);
    stall_moved(&r->stall, follow_now_ms());
    if (r->tell->line)
        r->tell->line(r->tell->arg, "borg", line, n);
    if (s != AIO_STAGE_NONE && !r->died_ms)
        run_stage(r, s);
}

static void on_event(void *arg, const struct follow_event *ev)
{
    struct run *r = arg;
    bool start = strcmp(ev->action, "start") == 0, die = strcmp(ev->action, "die") == 0;
    if (strncmp(ev->name, AIO_NAME_PREFIX, strlen(AIO_NAME_PREFIX)) != 0 ||
        strncmp(ev->action, "exec_", 5) == 0 || strncmp(ev->action, "health", 6) == 0)
        return;
    stall_moved(&r->stall, follow_now_ms());
    if (start || die)
        downtime_event(&r->down, ev->name, start, ev->time_ms);
    if (strcmp(ev->name, AIO_BORG_NAME) == 0 || strcmp(ev->name, r->x->whitelist.master) == 0)
        r->ask_now = true;
}

const struct follow_to run_follow_to = {.script = on_script, .borg = on_borg, .event = on_event};

/* ---- what is asked ---- */

static void lost(struct run *r, const struct err *e)
{
    if (!r->lost_ms)
        r->lost_ms = follow_now_ms();
    r->why = *e;
}

static void script_ended(struct run *r, int code)
{
    if (r->ev.over)
        return;
    r->ev.over = true;
    r->ev.code = code;
    if (!r->finished_ms)
        r->finished_ms = follow_now_ms();
}

/* The exec is not known any more, or is not ours: then the process list decides. */
static void ask_the_list(struct run *r)
{
    struct aio_look *l = mem_zalloc(sizeof *l);
    struct err e = {0};
    if (!l || !aio_look(r->en, r->x, l, &e)) {
        if (l && run_passing(&e))
            lost(r, &e);
        mem_free(l);
        return;
    }
    bool same =
        strcmp(l->master.id, r->master_id) == 0 && l->master.started_ms == r->master_started_ms;
    bool runs = l->script_running && (same || r->by_schedule);
    r->lost_ms = 0;
    if (!l->script_known && follow_script_open(r->follow)) { /* a proxy hides the list */
        mem_free(l);
        return;
    }
    if (!same && !r->by_schedule)
        r->ev.master_restarted = true;
    if (!runs)
        script_ended(r, -1);
    else if (!follow_script_open(r->follow))
        r->ev.unseen = true;
    mem_free(l);
}

static void ask_of_script(struct run *r)
{
    struct exec_state st = {0};
    struct err e = {0};
    if (r->ev.over)
        return;
    if (r->by_schedule) {
        ask_the_list(r);
        return;
    }
    if (!exec_inspect(r->en, r->exec_id, &st, &e)) {
        if (run_passing(&e))
            lost(r, &e);
        else
            ask_the_list(r); /* a proxy lets nobody look at an exec */
        return;
    }
    r->lost_ms = 0;
    if (!st.known || (!st.running && st.code == EXEC_CUT))
        ask_the_list(r);
    else if (!st.running && st.code < 0 && !r->codeless)
        r->codeless = r->ask_now = true; /* it is just ending: its code comes a moment later */
    else if (!st.running)
        script_ended(r, st.code);
    else if (!follow_script_open(r->follow))
        r->ev.unseen = true;
}

static void ask(struct run *r, uint64_t now)
{
    r->ask_now = false;
    r->ask_ms = now + run_paced(r, AIO_ASK_MS);
    if (r->mode && !run_borg_look(r, &r->why))
        lost(r, &r->why);
    ask_of_script(r);
}

/* ---- stall ---- */

static const char *waits_for(const struct run *r)
{
    if (r->borg.running)
        return "the borgbackup container, which neither says nor reads nor writes anything";
    switch ((int)r->stage) {
    case AIO_WAITING_APACHE:
        return "apache to become available";
    case AIO_WAITING_WATCHTOWER:
        return "watchtower to stop";
    case AIO_WAITING_BORG:
        return "the borgbackup container of another run to stop";
    case AIO_UPDATING_MASTERCONTAINER:
        return "the mastercontainer's update";
    case AIO_PULLING:
        return "images to be pulled";
    case AIO_STOPPING:
        return "containers to stop (the database may need 30 minutes)";
    case AIO_STARTING:
        return "Nextcloud's container to start";
    default:
        return "AIO's script";
    }
}

static void see_to_stall(struct run *r, uint64_t now)
{
    char sentence[256];
    uint64_t limit = (uint64_t)run_paced(r, 60 * 1000) * r->x->stall_minutes;
    bool quiet = now >= r->stall.moved_ms + limit / 4;
    if (r->borg.running && quiet && now >= r->stats_ms) {
        json_t *stats = engine_stats(r->en, AIO_BORG_NAME, NULL);
        now = follow_now_ms();
        if (stats)
            stall_bytes(&r->stall, stall_io(stats), now);
        json_decref(stats);
        r->stats_ms = now + run_paced(r, AIO_STATS_MS);
    }
    enum stall_change c = limit ? stall_look(&r->stall, now, limit) : STALL_NONE;
    if (c == STALL_NONE || !r->tell->notice)
        return;
    if (c == STALL_BEGAN)
        (void)snprintf(sentence, sizeof sentence,
                       "nothing has moved for %u minutes; waiting for %s", r->x->stall_minutes,
                       waits_for(r));
    else
        (void)snprintf(sentence, sizeof sentence, "the run moves again");
    r->tell->notice(r->tell->arg, c == STALL_BEGAN ? "stalled" : "resumed", sentence);
}

/* ---- the end ---- */

/* A cancel is honoured while the script only waits and nothing of ours would be left behind. */
static bool cancelled_here(struct run *r)
{
    if (!run_cancelled(r))
        return false;
    if (aio_stage_waits(r->stage) && !r->touched && !r->switched && !r->borg.id[0] &&
        !r->finished_ms)
        return true;
    if (!r->cancel_told && r->tell->notice)
        r->tell->notice(
            r->tell->arg, "cancel_requested",
            r->switched && !r->touched
                ? "AIO's script waits and cannot be stopped, and the target is switched "
                  "until it is over; nothing further is begun"
                : "AIO's script cannot be stopped; it is followed to its end, and "
                  "nothing further is begun");
    r->cancel_told = true;
    return false;
}

static bool script_over(struct run *r, uint64_t now)
{
    if (!r->finished_ms)
        return false;
    if (r->by_schedule || !follow_script_open(r->follow))
        return r->ev.over || now >= r->finished_ms + AIO_END_MS;
    if (now < r->finished_ms + AIO_END_MS)
        return false;
    if (!r->ev.finish_line)
        r->ev.unseen = true; /* the stream hangs: its end is lost */
    return true;
}

/* What borg does is known: there is none, or it has died and its log was read. Asked once more
 * after the script's end, which may have started it at the last moment. */
static bool borg_over(struct run *r, uint64_t now)
{
    if (!r->mode)
        return true;
    if (!r->asked_last) {
        r->asked_last = run_borg_look(r, &r->why);
        return false;
    }
    return !r->borg.id[0] || run_borg_settled(r, now);
}

enum run_end run_follow(struct run *r)
{
    for (;;) {
        if (!follow_wait(r->follow, run_paced(r, AIO_TICK_MS))) {
            (void)err_set(&r->why, ERR_INTERRUPTED, "the daemon goes down");
            return RUN_LEFT;
        }
        uint64_t now = follow_now_ms();
        if (now >= r->until_ms || (r->lost_ms && now >= r->lost_ms + AIO_ENGINE_BACK_MS))
            return RUN_LEFT;
        if (cancelled_here(r))
            return RUN_CANCELLED;
        bool stream_ended = !follow_script_open(r->follow) && !r->end_asked;
        if (r->ask_now || stream_ended || now >= r->ask_ms) {
            r->end_asked |= stream_ended;
            ask(r, now);
        }
        see_to_stall(r, now);
        if (script_over(r, now) && borg_over(r, now))
            return RUN_ENDED;
    }
}
