#include "aio/run/run_internal.h"
#include "base/mem.h"
#include "limits.h"

#include <linux/limits.h>
#include <stdio.h>
#include <string.h>

enum { KILLED = 128 + 9 }; /* the exit code of a script whose container was stopped */

bool run_passing(const struct err *e)
{
    return e->code == ERR_DOCKER_REFUSED || e->code == ERR_TIMEOUT || e->code == ERR_DOCKER ||
           e->code == ERR_INTERRUPTED;
}

bool run_sleep(struct run *r, unsigned ms)
{
    uint64_t until = follow_now_ms() + ms;
    for (uint64_t now; (now = follow_now_ms()) < until;)
        if (!engine_wait(r->en, (unsigned)(until - now)))
            return err_set(&r->why, ERR_INTERRUPTED, "the daemon goes down");
    return true;
}

bool run_look(struct run *r, struct aio_look *l)
{
    uint64_t until = follow_now_ms() + AIO_ENGINE_BACK_MS;
    for (;;) {
        if (aio_look(r->en, r->x, l, &r->why))
            return true;
        if (!run_passing(&r->why) || follow_now_ms() >= until)
            return false;
        if (!run_sleep(r, run_paced(r, AIO_AGAIN_MS)))
            return false;
    }
}

void run_note_master(struct run *r, const struct aio_look *l)
{
    (void)snprintf(r->master_id, sizeof r->master_id, "%s", l->master.id);
    r->master_started_ms = l->master.started_ms;
}

static bool is_back(const struct aio_look *l)
{
    return l->master_found && l->master.running && strcmp(l->master.health, "starting") != 0 &&
           strcmp(l->master.health, "unhealthy") != 0 && !l->watchtower_running;
}

/* Waits until the mastercontainer is healthy and watchtower gone. False: the run is left (`why`).
 * When it does not come back, `l` says so. */
static bool wait_until_back(struct run *r, struct aio_look *l)
{
    uint64_t until = follow_now_ms() + AIO_MASTER_BACK_MS;
    for (;;) {
        if (!run_look(r, l))
            return false;
        if (is_back(l) || follow_now_ms() >= until)
            return true;
        if (!run_sleep(r, run_paced(r, AIO_AGAIN_MS)))
            return false;
    }
}

/* AIO's cron begins its own run at once when the lock file of a run that was killed is there, and
 * only if it has a schedule. */
static bool wait_for_own_run(struct run *r, struct aio_look *l, bool *runs)
{
    char path[PATH_MAX];
    struct aio_schedule s = {0};
    struct err e = {0};
    bool read = config_file_beside(r->x->config_file, "daily_backup_time", path, sizeof path) &&
                config_file_schedule(path, &s, &e);
    bool expected = !read || s.set;
    uint64_t until = follow_now_ms() + run_paced(r, AIO_TAKEOVER_MS);
    for (;;) {
        *runs = l->script_running;
        if (*runs || !expected || follow_now_ms() >= until)
            return true;
        if (!run_sleep(r, run_paced(r, AIO_AGAIN_MS)) || !run_look(r, l))
            return false;
    }
}

static bool is_same(const struct run *r, const struct aio_look *l)
{
    return l->master_found && l->master.running && strcmp(l->master.id, r->master_id) == 0 &&
           l->master.started_ms == r->master_started_ms;
}

/* The script's stream ends before the Engine says that the mastercontainer has stopped: one that is
 * being updated, or whose script was killed, is looked at until it has gone. False: left (`why`).
 */
static bool wait_until_gone(struct run *r, struct aio_look *l)
{
    uint64_t until = follow_now_ms() + AIO_MASTER_GOES_MS;
    for (;;) {
        if (!run_look(r, l))
            return false;
        bool going = l->watchtower_running || r->ev.code == KILLED;
        if (!is_same(r, l) || !going || follow_now_ms() >= until)
            return true;
        if (!run_sleep(r, AIO_MASTER_LOOK_MS))
            return false;
    }
}

static enum run_next decide(struct run *r, struct aio_look *l)
{
    bool runs;
    if (!wait_until_gone(r, l))
        return NEXT_LEFT;
    if (is_same(r, l))
        return NEXT_OVER;
    r->ev.master_restarted = true;
    if (!wait_until_back(r, l))
        return NEXT_LEFT;
    if (!is_back(l))
        return NEXT_OVER;
    bool same = strcmp(l->master.id, r->master_id) == 0;
    run_note_master(r, l);
    if (!wait_for_own_run(r, l, &runs))
        return NEXT_LEFT;
    if (runs)
        return NEXT_OWN;
    bool again = !same && r->flags.automatic_updates && !r->borg.id[0] && !run_cancelled(r);
    return again ? NEXT_AGAIN : NEXT_OVER;
}

enum run_next run_master_gone(struct run *r)
{
    struct aio_look *l = mem_zalloc(sizeof *l);
    enum run_next next = l ? decide(r, l) : NEXT_OVER;
    mem_free(l);
    return next;
}
