#include "aio/config/mask.h"
#include "aio/run/run_internal.h"
#include "aio/target/crash.h"
#include "limits.h"

#include <linux/limits.h>
#include <stdio.h>
#include <string.h>

/* The archive that this run has made, from AIO's list: borgbackup rewrites it at its end, and it is
 * put back with the target. */
static void find_archive(struct run *r)
{
    struct aio_archive newest;
    size_t n = 0;
    struct err e = {0};
    char path[PATH_MAX];
    r->ev.list_read =
        config_file_beside(r->x->config_file, "backup_archives.list", path, sizeof path) &&
        config_file_archives(path, &newest, 1, &n, &e);
    r->ev.archive[0] = '\0';
    if (r->ev.list_read && n == 1 && newest.time >= r->exec_ms / 1000)
        (void)snprintf(r->ev.archive, sizeof r->ev.archive, "%s", newest.name);
}

static void began(struct run *r, const json_t *inspect)
{
    struct err e = {0};
    r->touched = true;
    if (aio_mask_container(r->mask, inspect, &e)) /* else no line of it may be shown */
        follow_borg(r->follow, AIO_BORG_NAME);
    r->died_ms = 0;
    r->stats_ms = 0;
    run_stage(r, strcmp(r->mode, "check") == 0 ? AIO_CHECKING : AIO_BACKING_UP);
    crash_step(CRASH_RUN_BORG_STARTED);
}

/* Its log says whether it made the repository, which has to be known before the target's files are
 * put away; the script looks for the container's end only every 30 s. */
static void died(struct run *r)
{
    uint64_t until = follow_now_ms() + AIO_LOG_SOON_MS;
    r->died_ms = follow_now_ms();
    follow_borg_died(r->follow);
    find_archive(r);
    crash_step(CRASH_RUN_BORG_DIED);
    while (!follow_borg_read(r->follow) && follow_now_ms() < until &&
           follow_wait(r->follow, AIO_LOG_LOOK_MS)) {
    }
    run_put_back(r);
}

bool run_borg_look(struct run *r, struct err *e)
{
    json_t *inspect = engine_inspect(r->en, AIO_BORG_NAME, e);
    if (!inspect && e->code != ERR_CONTAINER_NOT_FOUND)
        return !run_passing(e);
    r->lost_ms = 0;
    for (;;) {
        enum borg_change c = borg_watch_look(&r->borg, inspect, r->mode, r->target);
        if (c == BORG_BEGAN)
            began(r, inspect);
        else if (c == BORG_DIED)
            died(r);
        else
            break;
    }
    json_decref(inspect);
    return true;
}

bool run_borg_settled(struct run *r, uint64_t now)
{
    return r->died_ms && (follow_borg_read(r->follow) || now >= r->died_ms + AIO_LOG_END_MS);
}

void run_put_back(struct run *r)
{
    struct err e = {0};
    if (!r->switched)
        return;
    if (r->borg.initialised)
        (void)target_initialised(r->x, &e);
    if (!r->w->restore_after)
        return;
    if (target_put_back(r->x, &e)) {
        r->switched = false;
        crash_step(CRASH_RUN_PUT_BACK);
    } else if (r->tell->notice) {
        r->tell->notice(r->tell->arg, "target_not_restored", e.msg);
    }
}
