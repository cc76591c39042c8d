#include "api/handlers/mounts.h"

#include "api/destination_call.h"
#include "api/idempotency.h"
#include "api/route.h"
#include "backup/archives/archive_name.h"
#include "backup/restore/mount.h"
#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

/* ---- mount ---- */

static void add_mount(struct call *c, struct jsonw *w, const struct job *j)
{
    jsonw_kstr(w, "mount_point", call_str(c, "mount_point", ""));
    jsonw_kseconds(w, "expires", (double)job_deadline_ms(j) / 1000);
}

static void refuse_busy(struct call *c, const struct mount *m)
{
    struct err e;
    const struct job *j = mount_job(m);
    (void)err_field(&e, ERR_MOUNT_BUSY, "mount_point", "a mount is just coming or going there");
    call_error_job(c, &e, j ? job_id(j) : NULL);
}

static bool wants_newest(const struct call *c)
{
    return call_bool(c, "latest", false) || strcmp(call_str(c, "archive", ""), "latest") == 0;
}

static void mount_there(struct config_call *cc, struct destination *d)
{
    struct call *c = cc->c;
    const struct mount *other = mounts_find(d->path);
    if (other) {
        destination_drop(c->app->loop, d);
        refuse_busy(c, other);
        return;
    }
    bool newest = wants_newest(c);
    const struct mount_spec spec = {
        .point = d, .archive = newest ? NULL : call_str(c, "archive", NULL), .newest = newest};
    AUTO_FREE char *text = NULL;
    json_t *point = json_pack("{s:s}", "mount_point", d->path);
    struct buf private;
    buf_init(&private, LIMIT_RECORD);
    if (point && json_write(point, &private)) /* its members, without the braces */
        text = mem_strndup(buf_str(&private) + 1, private.n - 2);
    json_decref(point);
    buf_done(&private);
    c->members = add_mount;
    config_call_job(cc,
                    &(struct config_job){.kind = "mount",
                                         .yields = true,
                                         .unslotted = true,
                                         .ready = true,
                                         .deadline_s = (unsigned)call_int(c, "ttl", MOUNT_TTL_S),
                                         .done_word = "unmounted",
                                         .done_sentence = "the mount is gone",
                                         .private_members = text,
                                         .plan = &mount_plan,
                                         .data = mount_new(c->app->loop, &spec)});
}

static void count(void *arg, const struct mount *m)
{
    ++*(size_t *)arg;
}

static void mount(struct config_call *cc)
{
    struct err e;
    size_t n = 0;
    mounts_each(count, &n);
    if (n >= LIMIT_MOUNTS) {
        (void)err_set(&e, ERR_TOO_BUSY, "%zu mounts exist already", n);
        call_error(cc->c, &e);
        return;
    }
    if (!cc->only)
        cc->only = &cc->config->repos[0];
    destination_call(cc, "mount_point", DESTINATION_FOLDER, mount_there);
}

static void mount_now(struct call *c)
{
    struct err e;
    const char *archive = call_str(c, "archive", NULL);
    if (archive && !archive_name_ok(archive, "archive", &e))
        call_error(c, &e);
    else
        config_call(c, call_str(c, "repository", ""), mount);
}

void mounts_mount(struct call *c)
{
    call_idempotent(c, mount_now);
}

/* ---- umount ---- */

struct asked {
    struct call *c;
    char id[128];
};

static void on_unmounted(void *arg, const struct err *e)
{
    struct asked *a = arg;
    struct job *j = jobs_find(a->c->app->jobs, a->id);
    if (e)
        call_error_job(a->c, e, a->id);
    else if (j)
        call_await_job(a->c, j, 0);
}

void mounts_umount(struct call *c)
{
    struct err e;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", call_str(c, "mount_point", ""));
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    struct mount *m = mounts_find(path);
    struct asked *a = arena_alloc(&c->req->arena, sizeof *a);
    if (!m) {
        (void)err_field(&e, ERR_NOT_FOUND, "mount_point", "nothing is mounted there by this API");
        call_error(c, &e);
        return;
    }
    if (a && mount_job(m)) {
        a->c = c;
        (void)snprintf(a->id, sizeof a->id, "%s", job_id(mount_job(m)));
        if (mount_unmount(m, call_bool(c, "lazy", false), on_unmounted, a))
            return;
    }
    refuse_busy(c, m);
}

/* ---- list ---- */

static void list_one(void *arg, const struct mount *m)
{
    struct jsonw *w = arg;
    const struct job *j = mount_job(m);
    jsonw_begin_object(w);
    jsonw_kstr(w, "mount_point", mount_point(m));
    jsonw_kstr(w, "repository", job_label(j));
    jsonw_kstr(w, "repository_label", mount_repository(m));
    jsonw_kstr(w, "archive", mount_archive(m));
    jsonw_kseconds(w, "since", (double)mount_since_ms(m) / 1000);
    jsonw_kseconds(w, "expires", (double)job_deadline_ms(j) / 1000);
    jsonw_kstr(w, "job_id", job_id(j));
    jsonw_end_object(w);
}

void mounts_list(struct call *c)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "mounts");
    jsonw_begin_array(&w);
    mounts_each(list_one, &w);
    jsonw_end_array(&w);
    call_reply(c, 200, &b, &w);
}
