#include "backup/restore/mount_release.h"

#include "base/mem.h"
#include "limits.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct mount_release {
    struct mount_release_spec spec;
    char *point, *device, *path, *marker;
    uv_timer_t timer;
    struct proc *proc;
    uint64_t began;
    bool tried, paused, detach;
};

static void on_timer(uv_timer_t *t);

static bool is_ours(const struct mount_release *r, const struct mountinfo *m)
{
    return mountinfo_is_borg(m) && (!r->device || strcmp(r->device, m->device) == 0);
}

static void finish(struct mount_release *r, enum mount_released how)
{
    (void)uv_timer_stop(&r->timer);
    r->spec.done(r->spec.arg, how);
}

static void again(struct mount_release *r, uint64_t ms)
{
    (void)uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void on_exit(void *arg, int code, int signal)
{
    struct mount_release *r = arg;
    proc_release(TAKE(r->proc));
    again(r, 0);
}

static bool run(struct mount_release *r)
{
    AUTO_FREE char *file = proc_which("fusermount3", r->path);
    AUTO_FREE char *path = mem_printf("PATH=%s", r->path);
    if (!file)
        file = proc_which("fusermount", r->path);
    const char *const argv[] = {"fusermount3", r->detach ? "-uz" : "-u", "--", r->point, NULL};
    const char *const env[] = {path, "LC_ALL=C", r->marker, NULL};
    const struct proc_spec p = {
        .file = file, .argv = argv, .envp = env, .on_exit = on_exit, .arg = r};
    r->proc = file && path ? proc_start(r->spec.loop, &p, NULL) : NULL;
    return r->proc != NULL;
}

static void try_it(struct mount_release *r)
{
    uint64_t now = uv_now(r->spec.loop);
    if (!r->began)
        r->began = now;
    r->tried = true;
    r->paused = false;
    r->detach = r->spec.lazy && now - r->began >= MOUNT_GRACE_MS;
    r->paused = !run(r);
    again(r, r->paused ? MOUNT_RETRY_MS : MOUNT_HANG_MS);
}

/* What is there now decides what is done next. */
static void on_timer(uv_timer_t *t)
{
    struct mount_release *r = t->data;
    struct mountinfo m;
    if (r->proc) { /* fusermount3 itself hangs */
        (void)proc_signal(r->proc, SIGKILL);
        return;
    }
    if (!mountinfo_find(r->point, &m)) {
        finish(r, MOUNT_GONE);
    } else if (!is_ours(r, &m)) {
        finish(r, MOUNT_NOT_OURS);
    } else if (!r->tried || r->paused) {
        try_it(r);
    } else if (!r->spec.lazy || r->detach) {
        finish(r, MOUNT_BUSY);
    } else {
        r->paused = true;
        again(r, MOUNT_RETRY_MS);
    }
}

struct mount_release *mount_release_start(const struct mount_release_spec *s)
{
    struct mount_release *r = mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    r->spec = *s;
    r->point = mem_strdup(s->point);
    r->device = mem_strdup(s->device);
    r->path = mem_strdup(s->path);
    r->marker = mem_strdup(s->marker);
    (void)uv_timer_init(s->loop, &r->timer);
    r->timer.data = r;
    if (r->point && (r->device || !s->device) && r->path && r->marker) {
        again(r, 0);
        return r;
    }
    mount_release_free(r);
    return NULL;
}

static void on_closed(uv_handle_t *h)
{
    struct mount_release *r = h->data;
    mem_free(r->point);
    mem_free(r->device);
    mem_free(r->path);
    mem_free(r->marker);
    mem_free(r);
}

void mount_release_free(struct mount_release *r)
{
    if (!r)
        return;
    proc_release(TAKE(r->proc));
    uv_close((uv_handle_t *)&r->timer, on_closed);
}
