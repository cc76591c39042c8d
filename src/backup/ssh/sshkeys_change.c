#include "backup/ssh/sshkeys_change.h"

#include "backup/ssh/sshkeys.h"
#include "backup/ssh/sshkeys_folder.h"
#include "base/jsonw.h"
#include "sys/fsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The names of one key: in place, and aside or waiting. */
struct names {
    char key[SSHKEYS_NAME], pub[SSHKEYS_NAME + 4];
};

static void in_place(const char *label, struct names *n)
{
    sshkeys_name(label, n->key);
    (void)snprintf(n->pub, sizeof n->pub, "%s.pub", n->key);
}

static void next_of(const char *label, struct names *n)
{
    (void)snprintf(n->key, sizeof n->key, "id_%s.next", label);
    (void)snprintf(n->pub, sizeof n->pub, "%s.pub", n->key);
}

static void old_of(const char *label, int64_t at, struct names *n)
{
    (void)snprintf(n->key, sizeof n->key, "id_%s.old-%lld", label, (long long)at);
    (void)snprintf(n->pub, sizeof n->pub, "%s.pub", n->key);
}

static bool trouble(struct err *e, const char *what, const char *name)
{
    return err_set(e, ERR_UNAVAILABLE, "cannot %s %.100s: %s", what, name, strerror(errno));
}

/* Nothing that is no plain file is moved or replaced. False and `e` for a link and the like. */
static bool is_file(int dir, const char *name, bool *there, struct err *e)
{
    struct stat st;
    *there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*there || S_ISREG(st.st_mode))
        return true;
    return err_set(e, ERR_UNAVAILABLE, "%.100s is %s: it is left alone", name,
                   S_ISLNK(st.st_mode) ? "a symbolic link" : "no regular file");
}

static bool look(const struct sshkeys_folder *f, const struct names *n, bool *key, bool *pub,
                 struct err *e)
{
    return is_file(f->dir, n->key, key, e) && is_file(f->dir, n->pub, pub, e);
}

static bool missing(const char *label, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "there is no ssh key %s", label);
}

/* ---- making one ---- */

static bool may_be_made(const struct sshkeys_folder *f, const char *label, bool replace,
                        struct err *e)
{
    struct names n;
    bool key, pub;
    in_place(label, &n);
    if (!look(f, &n, &key, &pub, e))
        return false;
    if (replace)
        return key || missing(label, e);
    if (key || pub)
        return err_set(e, ERR_ALREADY_EXISTS, "%s exists already: replace or delete it",
                       key ? n.key : n.pub);
    return true;
}

bool sshkeys_stage(const char *dir, const char *label, bool replace, struct sshkeys_stage *out,
                   struct err *e)
{
    struct sshkeys_folder f;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    bool ok = may_be_made(&f, label, replace, e);
    (void)snprintf(out->folder, sizeof out->folder, "new-%08x%08x", randombytes_random(),
                   randombytes_random());
    int n = snprintf(out->path, sizeof out->path, "%s/" SSHKEYS_WORK "/%s/id_%s", dir, out->folder,
                     label);
    if (ok && (n < 0 || (size_t)n >= sizeof out->path))
        ok = err_set(e, ERR_UNAVAILABLE, "the path of the folder of ssh keys is too long");
    if (ok && mkdirat(f.work, out->folder, 0700) != 0)
        ok = trouble(e, "make", out->folder);
    sshkeys_close(&f);
    return ok;
}

static int open_stage(const struct sshkeys_folder *f, const struct sshkeys_stage *stage)
{
    return openat(f->work, stage->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void remove_name(void *arg, const char *name)
{
    const int *folder = arg;
    (void)unlinkat(*folder, name, 0);
}

static void remove_stage(const struct sshkeys_folder *f, const struct sshkeys_stage *stage)
{
    int folder = open_stage(f, stage);
    sshkeys_each(folder, remove_name, &folder);
    if (folder >= 0)
        (void)close(folder);
    (void)unlinkat(f->work, stage->folder, AT_REMOVEDIR);
}

void sshkeys_unstage(const char *dir, const struct sshkeys_stage *stage)
{
    struct sshkeys_folder f;
    struct err e;
    if (!stage->folder[0] || !sshkeys_open(&f, dir, true, &e))
        return;
    remove_stage(&f, stage);
    sshkeys_close(&f);
}

/* Its bytes and its mode are on disk before it gets a name that counts. */
static bool settle(int folder, const char *name, mode_t mode)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* The private file first: without it the public one counts for nothing. */
static bool move_next(const struct sshkeys_folder *f, int folder, const char *label, struct err *e)
{
    struct names made, next;
    in_place(label, &made);
    next_of(label, &next);
    if (!settle(folder, made.key, 0600) || !settle(folder, made.pub, 0644))
        return trouble(e, "keep", made.key);
    (void)unlinkat(f->work, next.key, 0);
    (void)unlinkat(f->work, next.pub, 0);
    if (renameat(folder, made.key, f->work, next.key) != 0 ||
        renameat(folder, made.pub, f->work, next.pub) != 0 || fsync(f->work) != 0)
        return trouble(e, "keep", made.key);
    return true;
}

static bool next_path(const char *dir, const char *label, char *path, struct err *e)
{
    int n = snprintf(path, PATH_MAX, "%s/" SSHKEYS_WORK "/id_%s.next", dir, label);
    return (n > 0 && n < PATH_MAX) ||
           err_set(e, ERR_UNAVAILABLE, "the path of the folder of ssh keys is too long");
}

bool sshkeys_keep(const char *dir, const char *label, const struct sshkeys_stage *stage, char *path,
                  struct err *e)
{
    struct sshkeys_folder f;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    int folder = open_stage(&f, stage);
    bool ok = folder >= 0 ? move_next(&f, folder, label, e) : trouble(e, "open", stage->folder);
    if (folder >= 0)
        (void)close(folder);
    remove_stage(&f, stage);
    sshkeys_close(&f);
    return ok && next_path(dir, label, path, e);
}

bool sshkeys_waiting(const char *dir, const char *label, char *path, bool *encrypted, struct err *e)
{
    struct sshkeys_folder f;
    struct names next;
    struct sshkeys_file key = {0};
    if (!sshkeys_open(&f, dir, false, e))
        return false;
    next_of(label, &next);
    sshkeys_look(f.work, next.key, false, &key);
    sshkeys_close(&f);
    if (!key.parsed)
        return err_set(e, ERR_NOT_FOUND, "no new key of %s is waiting", label);
    *encrypted = key.key.encrypted;
    return next_path(dir, label, path, e);
}

/* ---- exchanging ---- */

struct newest {
    const char *label;
    int64_t at; /* 0: none */
};

static void find_newest(void *arg, const char *name)
{
    struct newest *best = arg;
    struct sshkeys_aside a;
    if (sshkeys_aside_parse(name, &a) && !a.pub && !a.next && strcmp(a.label, best->label) == 0 &&
        a.at > best->at)
        best->at = a.at;
}

/* Gives what is in place a second name aside, by a time after that of all others: the newest is
 * what a rollback takes, also when two come within a second or the clock was set back. */
static bool link_aside(const struct sshkeys_folder *f, const char *label, bool pub,
                       struct names *aside, struct err *e)
{
    struct names n;
    struct newest last = {.label = label};
    int64_t now = (int64_t)time(NULL);
    sshkeys_each(f->work, find_newest, &last);
    in_place(label, &n);
    old_of(label, last.at >= now ? last.at + 1 : now, aside);
    if (linkat(f->dir, n.key, f->work, aside->key, 0) != 0)
        return trouble(e, "move aside", n.key);
    (void)unlinkat(f->work, aside->pub, 0);
    if (pub && linkat(f->dir, n.pub, f->work, aside->pub, 0) != 0)
        return trouble(e, "move aside", n.pub);
    return fsync(f->work) == 0 || trouble(e, "move aside", n.key);
}

/* What is in the work folder under `from` comes into place. */
static bool exchange(const struct sshkeys_folder *f, const char *label, const struct names *from,
                     bool replace, struct err *e)
{
    struct names n, aside;
    bool key, pub;
    in_place(label, &n);
    if (!look(f, &n, &key, &pub, e))
        return false;
    if (!replace && (key || pub))
        return err_set(e, ERR_ALREADY_EXISTS, "%s exists already", key ? n.key : n.pub);
    if (key && !link_aside(f, label, pub, &aside, e))
        return false;
    if (pub && unlinkat(f->dir, n.pub, 0) != 0)
        return trouble(e, "replace", n.pub);
    if (renameat2(f->work, from->key, f->dir, n.key, key ? 0 : RENAME_NOREPLACE) != 0)
        return errno == EEXIST ? err_set(e, ERR_ALREADY_EXISTS, "%s exists already", n.key)
                               : trouble(e, "put in place", n.key);
    if (renameat(f->work, from->pub, f->dir, n.pub) != 0 && errno != ENOENT)
        return trouble(e, "put in place", n.pub);
    return (fsync(f->dir) == 0 && fsync(f->work) == 0) || trouble(e, "make durable", n.key);
}

/* "private","public","public_key","authorized_keys","type","fingerprint" of what is in place. */
static void write_members(const struct sshkeys_folder *f, const char *label, struct buf *out)
{
    struct names n;
    struct sshkeys_file pub;
    struct jsonw w;
    char path[PATH_MAX + SSHKEYS_NAME], line[SSHKEY_LINE];
    in_place(label, &n);
    jsonw_init(&w, out);
    (void)snprintf(path, sizeof path, "%s/%s", f->path, n.key);
    jsonw_kstr(&w, "private", path);
    (void)snprintf(path, sizeof path, "%s/%s", f->path, n.pub);
    jsonw_kstr(&w, "public", path);
    sshkeys_look(f->dir, n.pub, true, &pub);
    if (!pub.parsed || !sshkey_public_write(&pub.key.pub, line, sizeof line))
        return;
    size_t k = strlen(line);
    if (pub.key.pub.comment[0])
        (void)snprintf(line + k, sizeof line - k, " %s", pub.key.pub.comment);
    jsonw_kstr(&w, "public_key", line);
    struct buf authorized;
    struct err e;
    buf_init(&authorized, 2 * SSHKEY_LINE);
    if (sshkeys_authorized(&pub.key.pub, NULL, pub.key.pub.comment, &authorized, &e))
        jsonw_kstr(&w, "authorized_keys", buf_str(&authorized));
    buf_done(&authorized);
    jsonw_kstr(&w, "type", pub.key.pub.type);
    jsonw_kstr(&w, "fingerprint", pub.key.pub.fingerprint);
}

bool sshkeys_place(const char *dir, const char *label, bool replace, struct buf *members,
                   struct err *e)
{
    struct sshkeys_folder f;
    struct names next;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    next_of(label, &next);
    bool ok = exchange(&f, label, &next, replace, e);
    if (ok)
        write_members(&f, label, members);
    sshkeys_close(&f);
    return ok;
}

static bool roll_back(const struct sshkeys_folder *f, const char *label, struct buf *members,
                      struct err *e)
{
    struct newest best = {.label = label};
    struct names old;
    struct jsonw w;
    sshkeys_each(f->work, find_newest, &best);
    if (best.at == 0)
        return err_set(e, ERR_NOT_FOUND, "no former key of %s is kept", label);
    old_of(label, best.at, &old);
    if (!exchange(f, label, &old, true, e))
        return false;
    jsonw_init(&w, members);
    jsonw_kbool(&w, "rolled_back", true);
    jsonw_kint(&w, "replaced_at", best.at);
    (void)buf_putc(members, ',');
    write_members(f, label, members);
    return true;
}

bool sshkeys_rollback(const char *dir, const char *label, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    bool ok = roll_back(&f, label, members, e);
    sshkeys_close(&f);
    return ok;
}

/* The public file first: what a crash leaves is then a key that still works. */
static bool move_aside(const struct sshkeys_folder *f, const char *label, struct err *e)
{
    struct names n, aside;
    bool key, pub;
    in_place(label, &n);
    if (!look(f, &n, &key, &pub, e))
        return false;
    if (!key && !pub)
        return missing(label, e);
    if (key && !link_aside(f, label, pub, &aside, e))
        return false;
    if (pub && unlinkat(f->dir, n.pub, 0) != 0)
        return trouble(e, "delete", n.pub);
    if (key && unlinkat(f->dir, n.key, 0) != 0)
        return trouble(e, "delete", n.key);
    return fsync(f->dir) == 0 || trouble(e, "make durable", n.key);
}

bool sshkeys_delete(const char *dir, const char *label, struct buf *members, struct err *e)
{
    struct sshkeys_folder f;
    if (!sshkeys_open(&f, dir, true, e))
        return false;
    bool ok = move_aside(&f, label, e);
    sshkeys_close(&f);
    if (ok)
        (void)buf_printf(members, "\"deleted\":true,\"kept_days\":%d", SSHKEY_ASIDE_DAYS);
    return ok;
}
