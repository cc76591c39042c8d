/* How a mount goes: fusermount3 first, then borg ends by itself. */
#include "backup/restore/mount_internal.h"
#include "backup/run/run.h"
#include "base/mem.h"

#include <stdio.h>

struct mount_release *mount_release_of(struct mount *m, bool lazy,
                                       void (*done)(void *arg, enum mount_released how))
{
    AUTO_FREE char *marker = mem_printf("BORGMATIC_API_JOB=%s", job_id(operation_job(m->op)));
    const struct mount_release_spec s = {.loop = m->loop,
                                         .point = m->d.path,
                                         .device = m->device[0] ? m->device : NULL,
                                         .path = operation_context(m->op)->path,
                                         .marker = marker,
                                         .lazy = lazy,
                                         .done = done,
                                         .arg = m};
    return marker ? mount_release_start(&s) : NULL;
}

/* It is unmounted, and borg does not end: it may be ended now. */
static void on_lingers(uv_timer_t *t)
{
    struct mount *m = t->data;
    run_stop(operation_run(m->op));
}

static void wait_for_borg(struct mount *m)
{
    if (m->running)
        (void)uv_timer_start(&m->timer, on_lingers, MOUNT_EXIT_MS, 0);
    else
        mount_ended(m);
}

static void tell_asker(struct mount *m, const struct err *e)
{
    void (*asked)(void *, const struct err *) = m->asked;
    m->asked = NULL;
    if (asked)
        asked(m->asked_arg, e);
}

static void on_retry(uv_timer_t *t)
{
    mount_leave(t->data);
}

static void on_released(void *arg, enum mount_released how)
{
    struct mount *m = arg;
    mount_release_free(TAKE(m->release));
    m->stuck = how != MOUNT_GONE;
    if (m->stuck && m->running) { /* better a borg that goes on than a dead mount */
        struct err e = {0};
        (void)err_field(&e, ERR_MOUNT_BUSY, "mount_point",
                        how == MOUNT_NOT_OURS
                            ? "something else is mounted over it; that is left as it is, and this "
                              "is tried again"
                            : "it could not be taken away; this is tried again");
        tell_asker(m, &e);
        (void)uv_timer_start(&m->timer, on_retry, MOUNT_STUCK_MS, 0);
        return;
    }
    tell_asker(m, NULL);
    wait_for_borg(m);
}

void mount_leave(struct mount *m)
{
    m->leaving = true;
    if (!m->mounted || m->release)
        return; /* it goes as soon as it is there; or it is on its way */
    m->release = mount_release_of(m, true, on_released);
    if (!m->release)
        on_released(m, MOUNT_BUSY); /* no memory: tried again */
}

/* ---- on request ---- */

static void on_tried(void *arg, enum mount_released how)
{
    struct mount *m = arg;
    struct err e = {0};
    if (how == MOUNT_GONE) {
        m->why = m->why ? m->why : "it was unmounted on request";
        m->leaving = true;
        on_released(m, how);
        return;
    }
    mount_release_free(TAKE(m->release));
    if (how == MOUNT_NOT_OURS)
        (void)err_field(&e, ERR_MOUNT_BUSY, "mount_point",
                        "something else is mounted over it; that is left as it is");
    else
        (void)err_field(&e, ERR_MOUNT_BUSY, "mount_point",
                        "files of it are in use; \"lazy\": true detaches it all the same");
    tell_asker(m, &e);
    if (m->leaving || !m->running) /* meanwhile somebody else wants it to go, or borg died */
        mount_leave(m);
}

bool mount_unmount(struct mount *m, bool lazy, void (*done)(void *arg, const struct err *e),
                   void *arg)
{
    if (!m->running || !m->mounted || m->leaving || m->release)
        return false;
    m->asked = done;
    m->asked_arg = arg;
    if (lazy) {
        m->why = "it was unmounted on request";
        mount_leave(m);
    } else {
        m->release = mount_release_of(m, false, on_tried);
    }
    if (!m->release)
        m->asked = NULL;
    return m->release != NULL;
}
