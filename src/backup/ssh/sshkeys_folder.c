#include "backup/ssh/sshkeys_folder.h"

#include "base/buf.h"
#include "sys/fsafe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 24 * 3600 };

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
/* Folders of ssh-keygen that a former life left are removed once, before any of ours is made. */
static bool swept;

/* ---- names ---- */

void sshkeys_name(const char *label, char out[SSHKEYS_NAME])
{
    (void)snprintf(out, SSHKEYS_NAME, "id_%s", label);
}

static bool take_label(const char *from, size_t n, char *out)
{
    if (n == 0 || n > LIMIT_LABEL)
        return false;
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

/* The last ".old-" of the n bytes, followed by digits alone. */
static bool parse_old(const char *name, size_t n, struct sshkeys_aside *out)
{
    size_t digits = 0;
    while (digits < n && name[n - 1 - digits] >= '0' && name[n - 1 - digits] <= '9')
        digits++;
    if (digits == 0 || digits > 12 || n < digits + 5 ||
        memcmp(name + n - digits - 5, ".old-", 5) != 0)
        return false;
    out->at = strtoll(name + n - digits, NULL, 10);
    return take_label(name + 3, n - digits - 5 - 3, out->label);
}

bool sshkeys_aside_parse(const char *name, struct sshkeys_aside *out)
{
    size_t n = strlen(name);
    *out = (struct sshkeys_aside){0};
    if (strncmp(name, "id_", 3) != 0)
        return false;
    if (n > 4 && strcmp(name + n - 4, ".pub") == 0) {
        out->pub = true;
        n -= 4;
    }
    if (n > 8 && memcmp(name + n - 5, ".next", 5) == 0) {
        out->next = true;
        return take_label(name + 3, n - 8, out->label);
    }
    return n > 9 && parse_old(name, n, out);
}

void sshkeys_each(int dir, void (*each)(void *arg, const char *name), void *arg)
{
    int own = dir >= 0 ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    if (!d) {
        if (own >= 0)
            (void)close(own);
        return;
    }
    const struct dirent *entry;
    for (int n = 0; n < SSHKEYS_LOOKED && (entry = readdir(d)) != NULL; n++)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    (void)closedir(d);
}

void sshkeys_look(int dir, const char *name, bool pub, struct sshkeys_file *out)
{
    struct buf text;
    struct err e;
    *out = (struct sshkeys_file){0};
    if (dir < 0 || fstatat(dir, name, &out->st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    out->there = true;
    out->regular = S_ISREG(out->st.st_mode);
    buf_init(&text, SSHKEY_FILE);
    if (out->regular && fsafe_read(dir, name, &text, NULL, &e)) {
        const char *p = buf_str(&text);
        out->parsed = pub ? sshkey_public_parse(p, strcspn(p, "\n"), &out->key.pub)
                          : sshkey_private_parse(p, text.n, &out->key);
    }
    buf_wipe(&text);
}

/* ---- mending ---- */

struct mending {
    struct sshkeys_folder *f;
    int64_t now;
};

static void drop(struct sshkeys_folder *f, const char *name)
{
    char pub[SSHKEYS_NAME];
    (void)unlinkat(f->work, name, 0);
    (void)snprintf(pub, sizeof pub, "%.*s.pub", SSHKEYS_NAME - 5, name);
    (void)unlinkat(f->work, pub, 0);
}

/* A public file without its private one: that one has come into place, and this is to follow. */
static void mend_pub(struct sshkeys_folder *f, const char *name, const struct sshkeys_aside *a)
{
    struct sshkeys_file own, main, mine;
    char private[SSHKEYS_NAME], key[SSHKEYS_NAME], pub[SSHKEYS_NAME + 4];
    (void)snprintf(private, sizeof private, "%.*s", (int)strlen(name) - 4, name);
    sshkeys_look(f->work, private, false, &own);
    if (own.there)
        return;
    sshkeys_name(a->label, key);
    (void)snprintf(pub, sizeof pub, "%s.pub", key);
    sshkeys_look(f->dir, key, false, &main);
    sshkeys_look(f->work, name, true, &mine);
    bool known = main.key.pub.blob_len > 0;
    bool missing = faccessat(f->dir, pub, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    bool belongs = known ? sshkey_same(&main.key.pub, &mine.key.pub) : missing;
    if (main.parsed && mine.parsed && belongs)
        (void)renameat(f->work, name, f->dir, pub);
    (void)unlinkat(f->work, name, 0); /* a rename onto itself leaves both names */
}

/* A second name of what is still in place: the exchange did not come to pass. */
static bool mend_private(struct sshkeys_folder *f, const char *name, const struct sshkeys_aside *a)
{
    struct stat aside, main;
    char key[SSHKEYS_NAME], pub[SSHKEYS_NAME + 4], aside_pub[SSHKEYS_NAME + 4];
    sshkeys_name(a->label, key);
    if (fstatat(f->work, name, &aside, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(f->dir, key, &main, AT_SYMLINK_NOFOLLOW) != 0 || aside.st_ino != main.st_ino ||
        aside.st_dev != main.st_dev)
        return false;
    (void)snprintf(pub, sizeof pub, "%s.pub", key);
    (void)snprintf(aside_pub, sizeof aside_pub, "%s.pub", name);
    (void)renameat2(f->work, aside_pub, f->dir, pub, RENAME_NOREPLACE);
    drop(f, name);
    return true;
}

static void mend_name(void *arg, const char *name)
{
    const struct mending *m = arg;
    struct sshkeys_aside a;
    struct stat st;
    if (!sshkeys_aside_parse(name, &a))
        return;
    if (a.pub) {
        mend_pub(m->f, name, &a);
        return;
    }
    if (!a.next && mend_private(m->f, name, &a))
        return;
    int64_t at = a.at;
    if (a.next && fstatat(m->f->work, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        at = st.st_mtime;
    if (m->now - at > (int64_t)SSHKEY_ASIDE_DAYS * DAY)
        drop(m->f, name);
}

static void remove_name(void *arg, const char *name)
{
    const int *folder = arg;
    (void)unlinkat(*folder, name, 0);
}

static void sweep_name(void *arg, const char *name)
{
    const struct sshkeys_folder *f = arg;
    if (strncmp(name, "new-", 4) != 0)
        return;
    int folder = openat(f->work, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    sshkeys_each(folder, remove_name, &folder);
    if (folder >= 0)
        (void)close(folder);
    (void)unlinkat(f->work, name, AT_REMOVEDIR);
}

static void mend(struct sshkeys_folder *f)
{
    struct mending m = {.f = f, .now = (int64_t)time(NULL)};
    if (!swept)
        sshkeys_each(f->work, sweep_name, f);
    swept = true;
    sshkeys_each(f->work, mend_name, &m);
    (void)fsync(f->dir);
    (void)fsync(f->work);
}

/* ---- opening ---- */

static bool fault(struct err *e, const char *path, const char *what)
{
    return err_set(e, ERR_UNAVAILABLE, "the folder of ssh keys, %.200s, %s", path, what);
}

static bool may_be_changed(const struct sshkeys_folder *f, struct err *e)
{
    struct stat st;
    if (fstat(f->dir, &st) != 0 || (st.st_uid != geteuid() && st.st_uid != 0))
        return fault(e, f->path, "belongs to somebody else");
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return fault(e, f->path, "can be written by others: chmod 700 it first");
    return true;
}

static bool open_work(struct sshkeys_folder *f, bool change, struct err *e)
{
    if (change && mkdirat(f->dir, SSHKEYS_WORK, 0700) != 0 && errno != EEXIST)
        return fault(e, f->path, "cannot be written to");
    f->work = openat(f->dir, SSHKEYS_WORK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f->work < 0)
        return !change || fault(e, f->path, "holds a .borgmatic-api that is no folder");
    struct stat st;
    if (change &&
        (fstat(f->work, &st) != 0 || st.st_uid != geteuid() || fchmod(f->work, 0700) != 0))
        return fault(e, f->path, "holds a .borgmatic-api of somebody else");
    return true;
}

bool sshkeys_open(struct sshkeys_folder *f, const char *path, bool change, struct err *e)
{
    struct err why = {0};
    *f = (struct sshkeys_folder){.path = path, .dir = -1, .work = -1};
    if (change && mkdir(path, 0700) != 0 && errno != EEXIST)
        return fault(e, path, "is not there and cannot be made");
    f->dir = fsafe_dir(path, &why);
    if (f->dir < 0 && why.code == ERR_NOT_FOUND && !change)
        return true;
    if (f->dir < 0)
        return fault(e, path,
                     errno == ELOOP || errno == ENOTDIR
                         ? "is a symbolic link or no folder: name the real one"
                         : "cannot be opened");
    if (change) {
        (void)pthread_mutex_lock(&one_at_a_time);
        f->locked = true;
    }
    if ((!change || may_be_changed(f, e)) && open_work(f, change, e)) {
        if (change)
            mend(f);
        return true;
    }
    sshkeys_close(f);
    return false;
}

void sshkeys_close(struct sshkeys_folder *f)
{
    if (f->work >= 0)
        (void)close(f->work);
    if (f->dir >= 0)
        (void)close(f->dir);
    if (f->locked)
        (void)pthread_mutex_unlock(&one_at_a_time);
    *f = (struct sshkeys_folder){.dir = -1, .work = -1};
}

bool sshkeys_mend(const char *path, struct err *e)
{
    struct sshkeys_folder f;
    struct stat st;
    char work[PATH_MAX];
    (void)snprintf(work, sizeof work, "%s/" SSHKEYS_WORK, path);
    if (lstat(work, &st) != 0)
        return true; /* nothing of ours is there */
    if (!sshkeys_open(&f, path, true, e))
        return false;
    sshkeys_close(&f);
    return true;
}
