#include "backup/restore/destination.h"

#include "backup/restore/destination_forbidden.h"
#include "backup/restore/destination_way.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PLACE = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static bool refuse_at(const struct destination_rules *r, struct err *e, const char *name,
                      const char *why)
{
    return err_field(e, ERR_BAD_REQUEST, r->field, "%s: \"%.96s\" %s", r->field, name, why);
}

/* ---- the folders ---- */

static bool is_empty(int fd)
{
    int own = openat(fd, ".", PLACE);
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (!d) {
        if (own >= 0)
            (void)close(own);
        return false;
    }
    bool empty = true;
    for (const struct dirent *one = readdir(d); one && empty; one = readdir(d))
        empty = strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0;
    (void)closedir(d);
    return empty;
}

/* Whoever may write to it could plant a link there while it is filled. */
static bool is_ours_alone(const struct stat *st)
{
    return (st->st_uid == geteuid() || st->st_uid == 0) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool explain_step(const struct destination_way *w, const char *name, struct err *e)
{
    if (errno == ELOOP || errno == ENOTDIR)
        return refuse_at(w->rules, e, name, "is a link or no folder");
    if (errno == EROFS || errno == EACCES || errno == EPERM)
        return refuse_at(w->rules, e, name, "cannot be opened or made here: no permission");
    return err_field(e, ERR_BAD_REQUEST, w->rules->field, "%s: \"%.96s\" cannot be opened: %s",
                     w->rules->field, name, strerror(errno));
}

struct walk {
    const struct destination_way *way;
    const struct forbidden *forbidden;
    char real[PATH_MAX]; /* where we are, links of the root resolved */
    int fd;
    size_t made;
    bool make;
};

/* The next name; *absent when it is not there and nothing is to be made. */
static bool step(struct walk *k, const char *name, bool *absent, struct err *e)
{
    struct stat st;
    int next = openat(k->fd, name, PLACE);
    if (next < 0 && errno == ENOENT && !k->make) {
        *absent = true;
        return true;
    }
    if (next < 0 && errno == ENOENT) {
        bool made = mkdirat(k->fd, name, 0700) == 0;
        if (!made && errno != EEXIST)
            return explain_step(k->way, name, e);
        next = openat(k->fd, name, PLACE);
        k->made += made;
    }
    if (next < 0)
        return explain_step(k->way, name, e);
    (void)close(k->fd);
    k->fd = next;
    if (fstat(next, &st) != 0 || forbidden_inode(k->forbidden, &st))
        return destination_refuse(k->way->rules, e, forbidden_why);
    return true;
}

static bool judge_folder(const struct walk *k, struct err *e)
{
    struct stat st;
    if (!is_empty(k->fd))
        return destination_refuse(k->way->rules, e, "must be an empty folder or not exist");
    if (fstat(k->fd, &st) != 0 || !is_ours_alone(&st))
        return destination_refuse(
            k->way->rules, e,
            "must be a folder that belongs to the daemon's user or root and that nobody "
            "else may write to");
    return true;
}

static bool judge_name(const struct walk *k, const char *name, struct err *e)
{
    struct stat st;
    if (fstatat(k->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_field(e, ERR_ALREADY_EXISTS, k->way->rules->field, "%s exists already",
                         k->way->rules->field);
    return errno == ENOENT || explain_step(k->way, name, e);
}

/* The whole path as it is without the root's links. */
static bool real_path(const struct destination_way *w, int root_fd, char *out, size_t size)
{
    char link[64], root[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", root_fd);
    ssize_t n = readlink(link, root, sizeof root - 1);
    if (n < 0)
        return false;
    root[n] = '\0';
    size_t at = (size_t)snprintf(out, size, "%s", strcmp(root, "/") == 0 ? "" : root);
    for (size_t i = 0; i < w->count && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "/%s", w->part[i]);
    return at < size;
}

static bool go(struct walk *k, enum destination_kind kind, struct err *e)
{
    const struct destination_way *w = k->way;
    size_t folders = kind == DESTINATION_FILE ? w->count - 1 : w->count;
    bool absent = false;
    for (size_t i = 0; i < folders && !absent; i++)
        if (!step(k, w->part[i], &absent, e))
            return false;
    if (absent)
        return true;
    return kind == DESTINATION_FILE ? judge_name(k, w->part[w->count - 1], e) : judge_folder(k, e);
}

static bool travel(const struct destination_way *w, enum destination_kind kind, struct walk *k,
                   struct err *e)
{
    if (kind == DESTINATION_FILE && w->count == 0)
        return destination_refuse(w->rules, e, "must name a file below one of the allowed folders");
    k->way = w;
    k->fd = open(w->root[0] ? w->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->fd < 0)
        return destination_refuse(w->rules, e, "is in an allowed folder that cannot be opened");
    if (!real_path(w, k->fd, k->real, sizeof k->real))
        return destination_refuse(w->rules, e, "is too long");
    struct forbidden *f = forbidden_new(w->rules);
    if (!f)
        return err_set(e, ERR_NO_MEMORY, "no memory to look at the destination");
    k->forbidden = f;
    bool ok = forbidden_path(f, k->real) ? destination_refuse(w->rules, e, forbidden_why)
                                         : go(k, kind, e);
    forbidden_free(f);
    k->forbidden = NULL;
    return ok;
}

/* ---- what others call ---- */

static void remove_made(const struct destination_way *w, size_t folders, size_t made)
{
    for (size_t left = folders; made > 0 && left > 0; left--, made--) {
        int at = open(w->root[0] ? w->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i + 1 < left && at >= 0; i++) {
            int next = openat(at, w->part[i], PLACE);
            (void)close(at);
            at = next;
        }
        if (at < 0)
            return;
        int r = unlinkat(at, w->part[left - 1], AT_REMOVEDIR);
        (void)close(at);
        if (r != 0)
            return;
    }
}

bool destination_open(const struct destination_rules *rules, const char *path,
                      enum destination_kind kind, struct destination *out, struct err *e)
{
    struct destination_way w;
    struct stat st;
    *out = (struct destination){.fd = -1};
    if (!destination_check(rules, path, kind, e) ||
        !destination_way(&w, rules, path, out->path, sizeof out->path, e))
        return false;
    struct walk k = {.fd = -1, .make = true};
    size_t folders = kind == DESTINATION_FILE ? w.count - 1 : w.count;
    if (!travel(&w, kind, &k, e) || fstat(k.fd, &st) != 0) {
        if (k.fd >= 0)
            (void)close(k.fd);
        remove_made(&w, folders, k.made);
        return false;
    }
    if (kind == DESTINATION_FILE)
        (void)snprintf(out->name, sizeof out->name, "%s", w.part[w.count - 1]);
    out->fd = k.fd;
    out->made = k.made;
    out->dev = st.st_dev;
    out->ino = st.st_ino;
    return true;
}

bool destination_check(const struct destination_rules *rules, const char *path,
                       enum destination_kind kind, struct err *e)
{
    struct destination_way w;
    char tidied[PATH_MAX];
    struct walk k = {.fd = -1};
    bool ok = destination_way(&w, rules, path, tidied, sizeof tidied, e) && travel(&w, kind, &k, e);
    if (k.fd >= 0)
        (void)close(k.fd);
    return ok;
}

bool destination_room(const struct destination *d, int64_t bytes, const char *field, struct err *e)
{
    struct statvfs fs;
    if (fstatvfs(d->fd, &fs) != 0 || fs.f_blocks == 0) /* it does not say: then it is tried */
        return true;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    return bytes < 0 || (uint64_t)bytes <= room ||
           err_field(e, ERR_NO_SPACE, field,
                     "%" PRId64 " bytes are needed and %" PRIu64 " are free at %.128s", bytes, room,
                     d->path);
}

bool destination_stands(const struct destination *d)
{
    struct stat st;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", d->path);
    if (d->name[0])
        *strrchr(path, '/') = '\0';
    return lstat(path[0] ? path : "/", &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino;
}

void destination_discard(struct destination *d)
{
    struct destination_way w = {.count = 0};
    char *save = NULL;
    (void)snprintf(w.text, sizeof w.text, "%s", d->path);
    for (char *p = strtok_r(w.text, "/", &save); p && w.count < DESTINATION_PARTS;
         p = strtok_r(NULL, "/", &save))
        w.part[w.count++] = p;
    size_t folders = d->name[0] && w.count ? w.count - 1 : w.count;
    if (d->fd >= 0 && d->made && destination_stands(d))
        remove_made(&w, folders, d->made);
    destination_close(d);
}

void destination_close(struct destination *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
}
