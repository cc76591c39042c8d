/* The checks of a run's targets: what they are, and where local ones lie. */
#include "aio/preflight/preflight_internal.h"

#include "aio/preflight/repo_size.h"
#include "limits.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEE_IT \
    "mount the host's / read-only for the daemon and set AIO_HOST_ROOT, or mount the target at its own path"

/* ---- what they are ---- */

/* A URL's password is none of AIO's business, but somebody may have put one there. */
const char *preflight_target_name(const struct target_view *v, char *out, size_t size)
{
    const char *remote = v->target->remote_repo;
    if (v->volume) {
        (void)snprintf(out, size, "the volume %s", v->volume);
    } else if (v->local) {
        (void)snprintf(out, size, "%s", v->target->host_location);
    } else {
        const char *at = strrchr(remote, '@');
        (void)snprintf(out, size, "%.120s", at ? at + 1 : remote);
    }
    return out;
}

static void view(struct preflight_state *s, const struct aio_target *t, bool own)
{
    struct target_view *v = &s->targets[s->target_count++];
    *v = (struct target_view){.target = t, .own = own, .place = {.sight = HOST_HIDDEN, .fd = -1}};
    v->local = t->remote_repo[0] == '\0' && t->host_location[0] != '\0';
    if (!v->local)
        return;
    if (t->host_location[0] == '/') {
        host_path_open(s->x, s->whole, t->host_location, &v->place);
    } else {
        v->volume = t->host_location;
        preflight_volume(s, v->volume, &v->place, &v->on_use);
    }
    v->repository =
        v->place.fd >= 0 && !v->on_use && preflight_file_there(v->place.fd, "borg/config");
}

void preflight_look_at_targets(struct preflight_state *s)
{
    const struct preflight_wants *w = s->w;
    if (w->target_count == 0 && s->p->settings_read)
        view(s, &s->p->settings.target, true);
    for (size_t i = 0; i < w->target_count && i < PREFLIGHT_TARGETS; i++) {
        bool own = s->p->settings_read && aio_target_equal(&w->targets[i], &s->p->settings.target);
        view(s, &w->targets[i], own);
    }
}

void preflight_leave_targets(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++)
        host_path_close(&s->targets[i].place);
}

static bool below_a_root(const struct aio_context *x, const char *path)
{
    for (size_t i = 0; i < x->target_root_count; i++) {
        size_t n = strlen(x->target_roots[i]);
        while (n > 0 && x->target_roots[i][n - 1] == '/')
            n--;
        if (strncmp(path, x->target_roots[i], n) == 0 && path[n] == '/')
            return true;
    }
    return x->target_root_count == 0;
}

/* AIO's own is what it is: only what makes its run fail counts. */
static void check_own(struct preflight_state *s, const struct aio_target *t)
{
    if (t->host_location[0] == '\0' && t->remote_repo[0] == '\0')
        preflight_trouble(s, PREFLIGHT_FAILED, "set a backup location in AIO",
                          "AIO has no backup target: it would stop Nextcloud and then fail");
    else if (t->host_location[0] && t->remote_repo[0])
        preflight_trouble(s, PREFLIGHT_FAILED, "clear one of them in AIO",
                          "AIO has both a local and a remote target; it would take the remote one");
}

static void check_given(struct preflight_state *s, const struct target_view *v)
{
    struct err e = {0};
    if (!aio_target_valid(v->target, &e))
        preflight_trouble(s, PREFLIGHT_FAILED, "name a target as AIO takes it", "%.60s: %.180s",
                          e.field, e.msg);
    else if (v->local && !v->volume && !below_a_root(s->x, v->target->host_location))
        preflight_trouble(s, PREFLIGHT_FAILED, "name one below AIO_TARGET_ROOTS, or widen it",
                          "%.180s lies below none of AIO_TARGET_ROOTS", v->target->host_location);
}

void check_target(struct preflight_state *s)
{
    if (s->target_count == 0) {
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "see the check \"configuration\"",
                          "AIO's target cannot be read");
        return;
    }
    for (size_t i = 0; i < s->target_count; i++) {
        const struct target_view *v = &s->targets[i];
        struct err e = {0};
        char name[160];
        if (v->own)
            check_own(s, v->target);
        else
            check_given(s, v);
        if (s->p->settings_read && !aio_target_apart(v->target, s->p->settings.datadir, &e))
            preflight_trouble(s, PREFLIGHT_FAILED, "name a target outside of it", "%.200s", e.msg);
        if (v->volume && v->place.sight == HOST_ABSENT)
            preflight_trouble(s, PREFLIGHT_FAILED, "make the volume, or choose another target",
                              "the Engine has no volume %.150s", v->volume);
        preflight_say(s, PREFLIGHT_OK, "the target is %s",
                      preflight_target_name(v, name, sizeof name));
    }
}

/* ---- is it mounted? ---- */

static bool for_drives(const char *path)
{
    return strncmp(path, "/mnt/", 5) == 0 || strncmp(path, "/media/", 7) == 0 ||
           strncmp(path, "/run/media/", 11) == 0;
}

/* On the root disk: that may be meant, but not where drives are mounted and no repository lies. */
static void on_root_disk(struct preflight_state *s, const struct target_view *v)
{
    const char *path = v->target->host_location;
    if (!v->volume && !v->repository && for_drives(path))
        preflight_trouble(s, PREFLIGHT_FAILED, "mount the drive",
                          "%.180s is a folder of the host's root disk: nothing is mounted there",
                          path);
    else
        preflight_trouble(s, PREFLIGHT_WARNING, "keep another backup on another disk",
                          "%.120s lies on the host's root disk: it does not outlive it", path);
}

static void check_mounted(struct preflight_state *s, const struct target_view *v)
{
    char name[160];
    (void)preflight_target_name(v, name, sizeof name);
    if (v->on_use)
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "look at it after the next backup",
                          "%s is mounted by the Engine only while it is used", name);
    else if (v->place.sight == HOST_ABSENT)
        preflight_trouble(s, PREFLIGHT_FAILED, "mount the drive, or make the folder",
                          "%s is not there; Docker would make it on the root disk", name);
    else if (v->place.sight == HOST_HIDDEN)
        preflight_trouble(s, PREFLIGHT_UNKNOWN, SEE_IT, "%s cannot be seen from here", name);
    else if (v->place.disk == HOST_DISK_ROOT)
        on_root_disk(s, v);
    else
        preflight_say(s, PREFLIGHT_OK, "%s lies on a disk of its own", name);
}

void check_target_mounted(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (s->targets[i].local)
            check_mounted(s, &s->targets[i]);
}

/* ---- has it room? ---- */

/* When AIO's newest archive was begun: what the repository got since is what a run needs. */
static long long newest_archive(const struct preflight_state *s)
{
    struct aio_archive a;
    size_t n = 0;
    char path[PATH_MAX];
    bool known = config_file_beside(s->x->config_file, "backup_archives.list", path, sizeof path) &&
                 config_file_archives(path, &a, 1, &n, NULL);
    return known && n == 1 ? a.time : -1;
}

static bool measure(struct preflight_state *s, const struct target_view *v, long long since,
                    struct repo_size *out)
{
    if (!v->repository)
        return false;
    int repo = openat(v->place.fd, "borg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool known = repo >= 0 && repo_size(repo, since, PREFLIGHT_WALK_MS, out);
    if (repo >= 0)
        (void)close(repo);
    return known;
}

/* A first backup needs about what AIO's own repository has, a further one what the last one took.
 * Where neither can be told: what borg keeps free in any case. */
static unsigned long long needed(struct preflight_state *s, const struct target_view *v)
{
    struct repo_size size = {0};
    unsigned long long most = PREFLIGHT_SPACE_MIN;
    if (v->repository) {
        long long since = v->own ? newest_archive(s) : -1;
        if (since >= 0 && measure(s, v, since, &size) && size.since > most)
            most = size.since;
        return most;
    }
    struct target_view own = {.target = &s->p->settings.target, .own = true};
    if (v->own || !s->p->settings_read)
        return most;
    own.local = own.target->remote_repo[0] == '\0' && own.target->host_location[0] != '\0';
    if (!own.local)
        return most;
    if (own.target->host_location[0] == '/')
        host_path_open(s->x, s->whole, own.target->host_location, &own.place);
    else
        preflight_volume(s, own.target->host_location, &own.place, &own.on_use);
    own.repository = own.place.fd >= 0 && preflight_file_there(own.place.fd, "borg/config");
    if (measure(s, &own, -1, &size) && size.all > most)
        most = size.all;
    host_path_close(&own.place);
    return most;
}

static void check_space(struct preflight_state *s, const struct target_view *v)
{
    char name[160];
    struct statvfs fs;
    (void)preflight_target_name(v, name, sizeof name);
    if (v->on_use || v->place.fd < 0 || fstatvfs(v->place.fd, &fs) != 0) {
        preflight_trouble(s, PREFLIGHT_UNKNOWN, SEE_IT, "how much room %s has cannot be seen",
                          name);
        return;
    }
    unsigned long long there = (unsigned long long)fs.f_bavail * fs.f_frsize;
    unsigned long long need = needed(s, v);
    if (there < need) {
        s->refuse = ERR_NO_SPACE;
        preflight_trouble(s, PREFLIGHT_FAILED, "make room, or prune archives",
                          "%s has %llu MiB left, and about %llu MiB are needed", name, there >> 20,
                          need >> 20);
    } else {
        preflight_say(s, PREFLIGHT_OK, "%s has %llu MiB left; %llu MiB may be needed", name,
                      there >> 20, need >> 20);
    }
}

void check_target_space(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (s->targets[i].local)
            check_space(s, &s->targets[i]);
}
