/* The checks of a target's repository: AIO's borg.config, and who else uses the repository. */
#include "aio/preflight/preflight_internal.h"

#include "aio/target/target.h"
#include "backup/locks/lock_look.h"
#include "base/buf.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* ---- borg.config ---- */

/* AIO takes borg.config for "there has been a backup": with it, it makes no repository; without it,
 * it makes one, and where there is one already it refuses to back up. */
static bool has_borg_config(const struct preflight_state *s, const struct target_view *v,
                            bool *known)
{
    char path[PATH_MAX];
    *known = true;
    if (!v->own)
        return target_kept(s->x, v->target);
    *known = s->p->settings_read &&
             config_file_beside(s->x->config_file, "borg.config", path, sizeof path);
    return *known && access(path, F_OK) == 0;
}

static bool read_id(int dir, const char *name, char id[80])
{
    struct buf text;
    buf_init(&text, PREFLIGHT_BORG_CONFIG);
    bool ok = fsafe_read(dir, name, &text, NULL, NULL);
    const char *at = ok ? strstr(buf_str(&text), "\nid = ") : NULL;
    id[0] = '\0';
    if (at) {
        size_t n = strspn(at + 6, "0123456789abcdef");
        (void)snprintf(id, 80, "%.*s", (int)(n < 79 ? n : 79), at + 6);
    }
    buf_wipe(&text); /* it holds the repository's key */
    return id[0] != '\0';
}

/* Both name a repository, and not the same one. */
static bool differs(const struct preflight_state *s, const struct target_view *v)
{
    char path[PATH_MAX], ours[80], theirs[80];
    if (!v->own || !v->repository || !config_file_beside(s->x->config_file, "", path, sizeof path))
        return false;
    int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int repo = openat(v->place.fd, "borg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool both = data >= 0 && repo >= 0 && read_id(data, "borg.config", ours) &&
                read_id(repo, "config", theirs);
    if (data >= 0)
        (void)close(data);
    if (repo >= 0)
        (void)close(repo);
    return both && strcmp(ours, theirs) != 0;
}

static bool has_archives(const struct preflight_state *s)
{
    struct aio_archive a;
    size_t n = 0;
    char path[PATH_MAX];
    return config_file_beside(s->x->config_file, "backup_archives.list", path, sizeof path) &&
           config_file_archives(path, &a, 1, &n, NULL) && n > 0;
}

static void check_config_of(struct preflight_state *s, const struct target_view *v)
{
    char name[160];
    bool known, there = has_borg_config(s, v, &known);
    bool seen = v->local && !v->on_use && v->place.sight != HOST_HIDDEN;
    (void)preflight_target_name(v, name, sizeof name);
    if (!known)
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "see the check \"configuration\"",
                          "AIO's borg.config cannot be seen");
    else if (there && seen && !v->repository)
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "mount the right drive, or bring the repository back",
                          "%s has been backed up to, but its repository is not there", name);
    else if (!there && seen && v->repository)
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "choose an empty place, or put that repository's config where AIO keeps "
                          "borg.config",
                          "%s has a repository that AIO does not know: it would refuse to back up",
                          name);
    else if (!there && v->own && has_archives(s))
        preflight_trouble(
            s, PREFLIGHT_FAILED, "restore AIO's borg.config from a backup of it",
            "AIO has archives, but its borg.config is gone: it would refuse to back up");
    else if (there && differs(s, v))
        preflight_trouble(s, PREFLIGHT_FAILED, "mount the right drive",
                          "the repository on %s is not the one of AIO's borg.config", name);
    else
        preflight_say(s, PREFLIGHT_OK,
                      there ? "AIO knows the repository on %s" : "%s gets its first backup", name);
}

void check_borg_config(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++)
        check_config_of(s, &s->targets[i]);
}

/* ---- others ---- */

/* The folder of a local target's repository, or −1; says so when it cannot be seen. */
static int open_repository(struct preflight_state *s, const struct target_view *v)
{
    char name[160];
    if (!v->local)
        return -1;
    (void)preflight_target_name(v, name, sizeof name);
    int repo = v->repository ? openat(v->place.fd, "borg", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (repo < 0 && (v->on_use || v->place.sight == HOST_HIDDEN || v->repository))
        preflight_trouble(s, PREFLIGHT_UNKNOWN,
                          "let the daemon see the target; see the check \"target_mounted\"",
                          "the repository on %s cannot be seen from here", name);
    else if (repo < 0)
        preflight_say(s, PREFLIGHT_OK, "there is no repository on %s yet", name);
    return repo;
}

/* AIO looks for it before it looks for a repository (AIO backupscript.sh). */
static bool lockfile_there(const struct target_view *v)
{
    return v->local && v->place.fd >= 0 && preflight_file_there(v->place.fd, "borg/aio-lockfile");
}

void check_aio_lockfile(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++) {
        char name[160];
        const struct target_view *v = &s->targets[i];
        if (lockfile_there(v)) {
            (void)preflight_target_name(v, name, sizeof name);
            preflight_trouble(s, PREFLIGHT_FAILED,
                              "wait for the script that made it, or remove it when there is none",
                              "an aio-lockfile lies in the repository on %s: AIO would stop "
                              "Nextcloud and then fail",
                              name);
            continue;
        }
        int repo = open_repository(s, v);
        if (repo < 0)
            continue;
        preflight_say(s, PREFLIGHT_OK, "no aio-lockfile keeps AIO off");
        (void)close(repo);
    }
}

/* The holders' processes are in containers: their numbers prove nothing here, and a new container's
 * borg may take its own number for an old holder's. So a lock counts whoever holds it. */
void check_borg_lock(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++) {
        char name[160];
        struct lock_state l;
        const struct lock_host nobody = {.blind = true};
        const struct target_view *v = &s->targets[i];
        int repo = open_repository(s, v);
        if (repo < 0)
            continue;
        (void)preflight_target_name(v, name, sizeof name);
        lock_look_at(repo, &nobody, &l);
        (void)close(repo);
        if (l.word == LOCK_LOCKED) {
            s->refuse = ERR_REPOSITORY_LOCKED;
            preflight_trouble(
                s, PREFLIGHT_FAILED,
                "wait for its holder; break it (borg break-lock) only when nobody uses "
                "the repository",
                "the repository on %s is locked by %.80s", name,
                l.exclusive_count ? l.exclusive[0].host : l.shared[0].host);
        } else if (l.word == LOCK_FREE) {
            preflight_say(s, PREFLIGHT_OK, "nobody holds the repository's lock");
        } else {
            preflight_trouble(s, PREFLIGHT_UNKNOWN, "let the daemon read the target",
                              "the lock of the repository on %s: %.120s", name, l.problem);
        }
    }
}
