#include "sys/fsafe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_STEP = 64 * 1024 };

static bool fail(struct err *e, const char *what, const char *name)
{
    return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "cannot %s %.128s: %s",
                   what, name, strerror(errno));
}

int fsafe_dir(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        (void)fail(e, "open", path);
    return fd;
}

bool fsafe_write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

/* rename that never replaces. */
static int move_new(int dir, const char *from, const char *to)
{
    return renameat2(dir, from, dir, to, RENAME_NOREPLACE);
}

static bool put(int dir, const char *part, const char *name, bool replace, struct err *e)
{
    int r = replace ? renameat(dir, part, dir, name) : move_new(dir, part, name);
    if (r != 0 && errno == EEXIST)
        return err_set(e, ERR_ALREADY_EXISTS, "%.128s exists already", name);
    if (r != 0)
        return fail(e, "write", name);
    return fsync(dir) == 0 || fail(e, "make durable", name);
}

/* Owner before mode: a change of owner takes bits of the mode away. */
static bool take_after(int fd, const struct stat *as)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    bool owned = st.st_uid == as->st_uid && st.st_gid == as->st_gid;
    return (owned || fchown(fd, as->st_uid, as->st_gid) == 0) &&
           fchmod(fd, as->st_mode & 07777) == 0;
}

static bool write_part(int dir, const char *name, const void *bytes, size_t n, mode_t mode,
                       const struct stat *as, char part[FSAFE_PART], struct err *e)
{
    int len = snprintf(part, FSAFE_PART, ".%s.%08x.new", name, randombytes_random());
    if (len < 0 || len >= FSAFE_PART)
        return err_set(e, ERR_UNAVAILABLE, "the name %.64s… is too long", name);
    int fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(e, "write", name);
    bool ok = fsafe_write_all(fd, bytes, n) && (as ? take_after(fd, as) : fchmod(fd, mode) == 0) &&
              fsync(fd) == 0;
    if (!ok)
        (void)fail(e, "write", name);
    if (close(fd) != 0 && ok)
        ok = fail(e, "write", name);
    if (!ok)
        (void)unlinkat(dir, part, 0);
    return ok;
}

bool fsafe_aside(int dir, const char *name, const void *bytes, size_t n, const struct stat *as,
                 char part[FSAFE_PART], struct err *e)
{
    return write_part(dir, name, bytes, n, 0, as, part, e);
}

bool fsafe_write(int dir, const char *name, const void *bytes, size_t n, mode_t mode, bool replace,
                 struct err *e)
{
    char part[FSAFE_PART];
    if (!write_part(dir, name, bytes, n, mode, NULL, part, e))
        return false;
    bool ok = put(dir, part, name, replace, e);
    if (!ok)
        (void)unlinkat(dir, part, 0);
    return ok;
}

static bool read_all(int fd, struct buf *out)
{
    for (;;) {
        char chunk[READ_STEP];
        ssize_t r = read(fd, chunk, sizeof chunk);
        if (r < 0 && errno == EINTR)
            continue;
        bool ok = r >= 0 && (r == 0 || buf_append(out, chunk, (size_t)r));
        sodium_memzero(chunk, sizeof chunk); /* what is read here may be a key */
        if (r <= 0 || !ok)
            return ok;
    }
}

bool fsafe_read(int dir, const char *name, struct buf *out, struct stat *st, struct err *e)
{
    struct stat own;
    st = st ? st : &own;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail(e, "read", name);
    bool ok = fstat(fd, st) == 0;
    if (!ok)
        (void)fail(e, "read", name);
    else if (!S_ISREG(st->st_mode))
        ok = err_set(e, ERR_UNAVAILABLE, "%.128s is no regular file", name);
    else if ((uintmax_t)st->st_size > out->max)
        ok = err_set(e, ERR_UNAVAILABLE, "%.128s is longer than %zu bytes", name, out->max);
    else if (!read_all(fd, out))
        ok = err_set(e, ERR_UNAVAILABLE, "%.128s cannot be read to its end", name);
    (void)close(fd);
    return ok;
}

bool fsafe_rename(int dir, const char *from, const char *to, struct err *e)
{
    if (move_new(dir, from, to) != 0)
        return errno == EEXIST ? err_set(e, ERR_ALREADY_EXISTS, "%.128s exists already", to)
                               : fail(e, "rename", from);
    return fsync(dir) == 0 || fail(e, "make durable", to);
}

bool fsafe_remove(int dir, const char *name, struct err *e)
{
    if (unlinkat(dir, name, 0) != 0)
        return fail(e, "remove", name);
    return fsync(dir) == 0 || fail(e, "make durable", name);
}

/* ".<name>.<8 hex digits>.new" */
static bool is_part(const char *name)
{
    size_t n = strlen(name);
    return n > 14 && name[0] == '.' && strcmp(name + n - 4, ".new") == 0 && name[n - 13] == '.' &&
           strspn(name + n - 12, "0123456789abcdef") == 8;
}

void fsafe_sweep(int dir)
{
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    if (!d) {
        if (own >= 0)
            (void)close(own);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (is_part(entry->d_name))
            (void)unlinkat(dir, entry->d_name, 0);
    (void)closedir(d);
}
