#include "aio/preflight/host_path.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_LINK = 40 };

/* ---- mounts ---- */

static bool parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || path[1] == '\0')
        return false;
    slash[slash == path] = '\0'; /* of "/a" stays "/" */
    return true;
}

/* The mount that a real path lies in. */
static bool covering(const char *path, struct mountinfo *out)
{
    char at[PATH_MAX];
    if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at)
        return false;
    do {
        if (mountinfo_find(at, out))
            return true;
    } while (parent(at));
    return false;
}

static bool ends_with_path(const char *root, const char *path)
{
    size_t n = strlen(root), m = strlen(path);
    return n >= m && strcmp(root + n - m, path) == 0;
}

enum host_disk host_path_judge(bool whole, const char *path, const struct mountinfo *covers,
                               const struct mountinfo *root)
{
    if (whole)
        return strcmp(covers->device, root->device) == 0 ? HOST_DISK_ROOT : HOST_DISK_OWN;
    if (strcmp(covers->point, root->point) == 0)
        return HOST_DISK_UNKNOWN;
    return ends_with_path(covers->root, path) ? HOST_DISK_ROOT : HOST_DISK_OWN;
}

/* ---- folders ---- */

/* Links of the host lead within host_root. */
static int open_below(const char *host_root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int root = open(host_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) { /* an old kernel, a container's filter */
        AUTO_FREE char *joined = mem_printf("%s%s", host_root[1] ? host_root : "", path);
        fd = joined ? open(joined, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    }
    int why = errno;
    (void)close(root);
    errno = why;
    return fd;
}

static bool real_path(int fd, char out[PATH_MAX])
{
    char link[FD_LINK];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    return true;
}

static bool mount_of(int fd, struct mountinfo *out)
{
    char path[PATH_MAX];
    return real_path(fd, path) && covering(path, out);
}

/* Below a folder of AIO_TARGET_ROOTS that is mounted for us nothing is hidden. */
static bool in_seen_root(const struct aio_context *x, const char *path)
{
    for (size_t i = 0; i < x->target_root_count; i++) {
        const char *root = x->target_roots[i];
        size_t n = strlen(root);
        struct host_place p;
        if (strncmp(path, root, n) != 0 || path[n] != '/')
            continue;
        host_path_open(x, false, root, &p);
        bool seen = p.sight == HOST_SEEN;
        host_path_close(&p);
        if (seen)
            return true;
    }
    return false;
}

void host_path_open(const struct aio_context *x, bool whole, const char *path,
                    struct host_place *out)
{
    struct mountinfo covers, root;
    *out = (struct host_place){.sight = HOST_HIDDEN, .fd = open_below(x->host_root, path)};
    if (out->fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        if (absent && (whole || in_seen_root(x, path)))
            out->sight = HOST_ABSENT;
        return;
    }
    if (mount_of(out->fd, &covers) && covering(x->host_root, &root))
        out->disk = host_path_judge(whole, path, &covers, &root);
    if (whole || out->disk != HOST_DISK_UNKNOWN)
        out->sight = HOST_SEEN;
    else
        host_path_close(out);
}

void host_path_close(struct host_place *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

bool host_path_is_whole(const struct aio_context *x, const char *folder)
{
    struct mountinfo covers;
    char path[PATH_MAX];
    int fd = open_below(x->host_root, folder);
    bool known = fd >= 0 && real_path(fd, path) && covering(path, &covers);
    if (fd >= 0)
        (void)close(fd);
    /* mounted at exactly this folder, it may be all that we have of the host */
    return known && strcmp(covers.point, path) != 0;
}
