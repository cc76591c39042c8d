#include "backup/restore/mount.h"

#include "backup/archives/archive_name.h"
#include "backup/restore/mount_internal.h"
#include "backup/run/run.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "sys/mountinfo.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static struct mount *all; /* the daemon's mounts, in order of creation */

static int64_t now_ms(void)
{
    struct timeval tv;
    (void)gettimeofday(&tv, NULL);
    return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

/* ---- life ---- */

static void on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void mount_free(void *data)
{
    struct mount *m = data;
    if (!m)
        return;
    for (struct mount **at = &all; *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    mount_release_free(TAKE(m->release));
    destination_drop(m->loop, &m->d);
    uv_close((uv_handle_t *)&m->timer, on_closed);
}

void *mount_new(uv_loop_t *loop, const struct mount_spec *s)
{
    struct mount *m = mem_zalloc(sizeof *m);
    if (!m) {
        destination_drop(loop, s->point);
        return NULL;
    }
    m->loop = loop;
    m->d = *s->point;
    s->point->fd = -1;
    m->newest = s->newest;
    (void)snprintf(m->archive, sizeof m->archive, "%s", s->archive ? s->archive : "");
    (void)uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    struct mount **at = &all;
    while (*at)
        at = &(*at)->next;
    *at = m;
    return m;
}

/* ---- it is there ---- */

/* Recovery takes away this mount and no other. */
static void tell_recovery(struct mount *m)
{
    struct job *j = operation_job(m->op);
    const char *before = job_private(j);
    json_t *o = before ? json_parse(before, strlen(before), NULL) : json_object();
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    if (o && json_object_set_new(o, "mount_device", json_string(m->device)) == 0 &&
        json_write(o, &b))
        job_set_private(j, buf_str(&b));
    json_decref(o);
    buf_done(&b);
}

static void note_result(struct mount *m)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, LIMIT_RECORD);
    jsonw_init(&w, &b);
    jsonw_kstr(&w, "mount_point", m->d.path);
    jsonw_key(&w, "archive");
    if (m->archive[0]) {
        jsonw_begin_object(&w);
        jsonw_kstr(&w, "name", m->archive);
        jsonw_end_object(&w);
    } else {
        jsonw_null(&w);
    }
    jsonw_key(&w, "since");
    if (m->since_ms)
        jsonw_seconds(&w, (double)m->since_ms / 1000);
    else
        jsonw_null(&w);
    operation_repo_result(operation_repo(m->op, 0), buf_str(&b));
    buf_done(&b);
}

static void look(uv_timer_t *t)
{
    struct mount *m = t->data;
    struct mountinfo seen;
    uint64_t waited = uv_now(m->loop) - m->began;
    if (mountinfo_find(m->d.path, &seen) && mountinfo_is_borg(&seen)) {
        m->mounted = true;
        m->since_ms = now_ms();
        (void)snprintf(m->device, sizeof m->device, "%s", seen.device);
        tell_recovery(m);
        job_stage(operation_job(m->op), "mounted");
        if (m->leaving)
            mount_leave(m);
        else
            job_set_ready(operation_job(m->op));
        return;
    }
    if (waited > MOUNT_APPEAR_MS || m->leaving) { /* nothing is mounted: it may be ended */
        m->late = !m->leaving;
        run_stop(operation_run(m->op));
        return;
    }
    (void)uv_timer_start(t, look, MOUNT_LOOK_MS, 0);
}

static bool start_mount(struct mount *m, struct err *e)
{
    static const char *const verb[] = {"mount", "--foreground", NULL};
    const char *tail[] = {m->d.path, NULL};
    const struct operation_borg b = {.repo = operation_repo(m->op, 0),
                                     .verb = verb,
                                     .archive = m->archive[0] ? m->archive : NULL,
                                     .tail = tail};
    if (access("/dev/fuse", R_OK | W_OK) != 0)
        return err_set(e, ERR_NOT_IMPLEMENTED,
                       "this system cannot mount: /dev/fuse is not there (a container needs the "
                       "device and CAP_SYS_ADMIN)");
    if (!operation_borg(m->op, &b, e))
        return false;
    m->running = true;
    m->began = uv_now(m->loop);
    (void)uv_timer_start(&m->timer, look, MOUNT_LOOK_MS, 0);
    return true;
}

/* ---- the course ---- */

/* borg tells in plain text that it has no FUSE, or that the system lets it not. */
static bool lacks_fuse(const struct mount *m)
{
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    verdict_json(operation_repo(m->op, 0)->verdict, &b);
    bool lacks = strstr(buf_str(&b), "FUSE support") || strstr(buf_str(&b), "fuse device") ||
                 strstr(buf_str(&b), "fusermount") || strstr(buf_str(&b), "fuse:");
    buf_done(&b);
    return lacks;
}

static void end_badly(struct mount *m, const struct operation_result *last)
{
    struct verdict_result v;
    struct err e = {0};
    verdict_result(last->verdict, &v);
    if (m->mounted)
        (void)err_set(&e, ERR_COMMAND_FAILED, "borg ended and the mount with it: %s", v.sentence);
    else if (m->late)
        (void)err_set(&e, ERR_TIMEOUT, "nothing was mounted within %d s", MOUNT_APPEAR_MS / 1000);
    else if (lacks_fuse(m))
        (void)err_set(&e, ERR_NOT_IMPLEMENTED,
                      "this system cannot mount: borg's FUSE support (python3-pyfuse3 or "
                      "python3-llfuse, fuse3) or the right to mount is missing");
    else if (v.state != VERDICT_FAILED)
        (void)err_set(&e, ERR_COMMAND_FAILED, "borg ended without a mount");
    if (e.code != ERR_NONE) {
        operation_fail(m->op, &e);
        return;
    }
    if (v.api == ERR_BACKUP_FAILED)
        v.api = ERR_COMMAND_FAILED;
    operation_end(m->op, &v, NULL);
}

/* borg has ended and nothing of it is mounted any more. */
static void end(struct mount *m)
{
    const struct operation_result *last = operation_last(m->op);
    note_result(m);
    if (m->stuck) {
        struct err e = {0};
        (void)err_set(&e, ERR_MOUNT_BUSY, "the mount could not be taken away");
        operation_fail(m->op, &e);
        return;
    }
    bool by_hand = !m->leaving && m->mounted && last->code == 0;
    if (!by_hand && !(m->leaving && m->mounted)) {
        end_badly(m, last);
        return;
    }
    if (!m->cancelled)
        operation_is_done(m->op);
    operation_end_well(m->op, "unmounted", m->why ? m->why : "it was unmounted by somebody else",
                       NULL);
}

static void on_swept(void *arg, enum mount_released how)
{
    struct mount *m = arg;
    mount_release_free(TAKE(m->release));
    m->stuck = how == MOUNT_BUSY;
    end(m);
}

static void take_name(struct mount *m, const struct operation_result *last)
{
    struct err e = {0};
    m->newest = false;
    if (last->stopped || operation_stopping(m->op)) {
        operation_end_worst(m->op, NULL);
        return;
    }
    if (!newest_archive_name(last, m->archive, &e) || !start_mount(m, &e))
        operation_fail(m->op, &e);
}

static void mount_step(struct operation *op, void *data, const struct operation_result *last)
{
    struct mount *m = data;
    struct err e = {0};
    m->op = op;
    if (!last->ran) {
        bool ok =
            m->newest ? newest_archive_ask(op, operation_repo(op, 0), &e) : start_mount(m, &e);
        if (!ok)
            operation_fail(op, &e);
        return;
    }
    if (!m->running) {
        take_name(m, last);
        return;
    }
    m->running = false;
    (void)uv_timer_stop(&m->timer);
    if (m->release) /* it looks by itself, and then ends the job */
        return;
    m->release = mount_release_of(m, true, on_swept); /* what a dead borg left */
    if (!m->release)
        end(m);
}

static bool mount_stop(struct operation *op, void *data, enum job_stop why)
{
    static const char *const whys[] = {
        [JOB_STOP_CANCEL] = "it was unmounted on request",
        [JOB_STOP_TIMEOUT] = "its time was over",
        [JOB_STOP_SHUTDOWN] = "it was unmounted because the daemon goes down",
        [JOB_STOP_YIELD] = "it was unmounted because a job wants to write to the repository",
    };
    struct mount *m = data;
    if (!m->running)
        return false;
    if (!m->why)
        m->why = whys[why];
    m->cancelled = why == JOB_STOP_CANCEL;
    mount_leave(m);
    return true;
}

const struct operation_plan mount_plan = {
    .step = mount_step, .stop = mount_stop, .free = mount_free};

void mount_ended(struct mount *m)
{
    end(m);
}

/* ---- those that exist ---- */

void mounts_each(void (*each)(void *arg, const struct mount *m), void *arg)
{
    for (struct mount *m = all; m; m = m->next)
        if (m->mounted)
            each(arg, m);
}

struct mount *mounts_find(const char *point)
{
    for (struct mount *m = all; m; m = m->next)
        if (strcmp(m->d.path, point) == 0)
            return m;
    return NULL;
}

const char *mount_point(const struct mount *m)
{
    return m->d.path;
}

const char *mount_archive(const struct mount *m)
{
    return m->archive[0] ? m->archive : NULL;
}

const char *mount_repository(const struct mount *m)
{
    return resolved_repo_name(operation_repo(m->op, 0)->repo);
}

struct job *mount_job(const struct mount *m)
{
    return m->op ? operation_job(m->op) : NULL;
}

int64_t mount_since_ms(const struct mount *m)
{
    return m->since_ms;
}
