/* What came back is compared with what borg says of it, and with the live files. */
#include "backup/restore/drill_sample.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 256 * 1024, TIME_SLACK_US = 2 };

struct check {
    struct drill_sample *sample;
    const atomic_bool *stop;
    unsigned char *room; /* READ_STEP bytes */
};

/* SHA-256 of a regular file, in hex; false when it cannot be read to its end. */
static bool hash_fd(const struct check *c, int fd, char hex[65])
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_init(&state);
    for (;;) {
        ssize_t n = read(fd, c->room, READ_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || atomic_load(c->stop))
            return false;
        if (n == 0)
            break;
        (void)crypto_hash_sha256_update(&state, c->room, (unsigned long long)n);
    }
    (void)crypto_hash_sha256_final(&state, digest);
    (void)sodium_bin2hex(hex, 65, digest, sizeof digest);
    return true;
}

static int open_regular(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
        (void)close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

static bool look_at(void *arg, const char *path, const char *rel, const struct stat *seen)
{
    struct check *c = arg;
    struct stat st;
    char hex[65] = "";
    if (!S_ISREG(seen->st_mode))
        return true;
    int fd = open_regular(path, &st);
    bool read_it = fd >= 0 && hash_fd(c, fd, hex);
    if (fd >= 0)
        (void)close(fd);
    if (atomic_load(c->stop))
        return false;
    for (size_t i = 0; i < c->sample->count; i++) { /* a path may have been drawn twice */
        struct drill_file *f = &c->sample->files[i];
        if (strcmp(f->path, rel) == 0)
            f->outcome = read_it && strcmp(f->sha256, hex) == 0 && st.st_size == f->size
                             ? DRILL_EQUAL
                             : DRILL_DIFFERS;
    }
    return true;
}

static bool same_time(const struct stat *st, const struct drill_file *f)
{
    int64_t us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
    int64_t apart = us > f->mtime_us ? us - f->mtime_us : f->mtime_us - us;
    return apart <= TIME_SLACK_US;
}

static enum drill_live look_live(const struct check *c, const struct drill_file *f)
{
    struct stat st;
    char hex[65] = "";
    AUTO_FREE char *path = mem_printf("/%s", f->path);
    int fd = path ? open_regular(path, &st) : -1;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? LIVE_GONE : LIVE_UNKNOWN;
    enum drill_live live = LIVE_CHANGED;
    if (st.st_size == f->size && same_time(&st, f)) {
        bool read_it = hash_fd(c, fd, hex);
        live = !read_it ? LIVE_UNKNOWN : strcmp(hex, f->sha256) == 0 ? LIVE_EQUAL : LIVE_DIFFERS;
    }
    (void)close(fd);
    return live;
}

void drill_check(struct drill_sample *s, const char *folder, bool compare, const atomic_bool *stop)
{
    struct check c = {.sample = s, .stop = stop, .room = mem_alloc(READ_STEP)};
    if (!c.room) {
        s->failed = true;
        return;
    }
    (void)tree_walk(folder, look_at, &c);
    for (size_t i = 0; compare && i < s->count && !atomic_load(stop); i++)
        s->files[i].live = look_live(&c, &s->files[i]);
    mem_free(c.room);
}
