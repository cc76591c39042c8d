#include "backup/locks/lock_look.h"

#include "base/mem.h"
#include "limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* ---- whom borg takes for itself ---- */

enum { INTERFACES = 64, MAC = 6 };

/* The number that Python's uuid.getnode() gives where libuuid is there: the hardware address of the
 * first interface that has an address (libuuid: get_node_id). */
static bool node_number(uint64_t *out)
{
    struct ifreq all[INTERFACES];
    struct ifconf found = {.ifc_len = sizeof all, .ifc_req = all};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = false;
    if (fd < 0)
        return false;
    memset(all, 0, sizeof all);
    if (ioctl(fd, SIOCGIFCONF, &found) != 0)
        found.ifc_len = 0;
    for (size_t i = 0; !ok && i < (size_t)found.ifc_len / sizeof *all; i++) {
        struct ifreq one = all[i];
        if (ioctl(fd, SIOCGIFHWADDR, &one) != 0)
            continue;
        *out = 0;
        for (size_t k = 0; k < MAC; k++)
            *out = *out << 8 | (unsigned char)one.ifr_hwaddr.sa_data[k];
        ok = *out != 0;
    }
    (void)close(fd);
    return ok;
}

static char own_name[LOCK_HOST_MAX + 1];
static uv_once_t own_name_once = UV_ONCE_INIT;

/* As borg: what the resolver calls this host. It may have to ask the network, so it is asked once
 * in our life, as in that of a borg. */
static void ask_own_name(void)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_CANONNAME};
    struct addrinfo *found = NULL;
    if (gethostname(own_name, sizeof own_name - 1) != 0)
        own_name[0] = '\0';
    if (getaddrinfo(own_name, NULL, &hints, &found) != 0)
        return;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        if (a->ai_canonname && a->ai_canonname[0]) {
            (void)snprintf(own_name, sizeof own_name, "%s", a->ai_canonname);
            break;
        }
    freeaddrinfo(found);
}

static bool is_namespace(const char *path, const char *initial)
{
    char name[64] = "";
    ssize_t n = readlink(path, name, sizeof name - 1);
    return n > 0 && strcmp(name, initial) == 0;
}

/* A container that shares the host's name but not its processes cannot see whether a borg of the
 * host lives. The two numbers are the kernel's, the same everywhere. */
static bool processes_hidden(void)
{
    return !is_namespace("/proc/self/ns/pid", "pid:[4026531836]") &&
           is_namespace("/proc/self/ns/uts", "uts:[4026531838]");
}

void lock_host_read(const char *borg_host_id, struct lock_host *out)
{
    uint64_t node;
    *out = (struct lock_host){.blind = processes_hidden()};
    if (borg_host_id && borg_host_id[0]) {
        (void)snprintf(out->id, sizeof out->id, "%s", borg_host_id);
        return;
    }
    uv_once(&own_name_once, ask_own_name);
    if (own_name[0] && node_number(&node))
        (void)snprintf(out->id, sizeof out->id, "%.200s@%llu", own_name, (unsigned long long)node);
}

static enum lock_life life_of(const struct lock_entry *e, const struct lock_host *us)
{
    if (e->malformed || !us->id[0] || strcmp(e->host, us->id) != 0 || e->thread != 0 ||
        e->pid <= 0 || e->pid > INT32_MAX)
        return LOCK_UNKNOWN;
    if (kill((pid_t)e->pid, 0) == 0 || errno != ESRCH)
        return LOCK_ALIVE;
    return us->blind ? LOCK_UNKNOWN : LOCK_DEAD;
}

/* ---- the files ---- */

static void trouble(struct lock_state *out, const char *what, int error)
{
    out->word = LOCK_NOT_KNOWN;
    (void)snprintf(out->problem, sizeof out->problem, "%s: %s", what, strerror(error));
}

static void read_names(DIR *d, struct lock_state *out)
{
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (out->exclusive_count == LOCK_ENTRIES) {
            out->more = true;
            return;
        }
        struct lock_entry *one = &out->exclusive[out->exclusive_count++];
        lock_entry_of_name(e->d_name, one);
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            one->since = st.st_mtime;
    }
}

static bool read_exclusive(int dir, struct lock_state *out)
{
    int fd = openat(dir, "lock.exclusive", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return true;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        trouble(out, "lock.exclusive cannot be read", errno);
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    read_names(d, out);
    (void)closedir(d);
    return true;
}

/* True: `*named` tells whether the writer found stands in the roster too. */
static bool read_roster(int dir, struct lock_state *out, bool *named)
{
    AUTO_FREE char *text = mem_alloc(LOCK_ROSTER);
    struct stat st;
    int fd = openat(dir, "lock.roster", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    *named = false;
    if (fd < 0 && errno == ENOENT)
        return true;
    ssize_t n = -1;
    if (fd >= 0 && text && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, text, LOCK_ROSTER);
    int error = text ? errno : ENOMEM;
    if (fd >= 0)
        (void)close(fd);
    if (n < 0 || n == LOCK_ROSTER) {
        trouble(out, "lock.roster cannot be read", n < 0 ? error : EFBIG);
        return false;
    }
    *named = lock_roster_read(text, (size_t)n, out, out->exclusive_count ? out->exclusive : NULL);
    if (out->shared_count == 1) /* with several, whose time it is cannot be told */
        out->shared[0].since = st.st_mtime;
    return true;
}

/* One look; false: what is there is just being changed, another look is wanted. */
static bool look_once(int dir, const struct lock_host *us, struct lock_state *out)
{
    bool named = false;
    *out = (struct lock_state){.method = "files"};
    if (!read_exclusive(dir, out) || !read_roster(dir, out, &named))
        return true;
    for (size_t i = 0; i < out->exclusive_count; i++)
        out->exclusive[i].life = life_of(&out->exclusive[i], us);
    for (size_t i = 0; i < out->shared_count; i++)
        out->shared[i].life = life_of(&out->shared[i], us);
    out->readers_seen = true;
    out->word = out->exclusive_count || out->shared_count ? LOCK_LOCKED : LOCK_FREE;
    return !out->exclusive_count || named;
}

/* Readers come and go under a short exclusive lock, and write the roster anew meanwhile. A writer
 * that stays also stands in the roster. */
void lock_look_at(int dir, const struct lock_host *us, struct lock_state *out)
{
    for (int i = 1; !look_once(dir, us, out) && i < LOCK_LOOKS; i++)
        (void)poll(NULL, 0, LOCK_SETTLE_MS); /* on a worker thread: the loop goes on */
}

void lock_look(const char *repo, const struct lock_host *us, struct lock_state *out)
{
    struct stat st;
    int dir = open(repo, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *out = (struct lock_state){.method = "files"};
    if (dir < 0) {
        trouble(out, "the repository cannot be read", errno);
        return;
    }
    if (fstatat(dir, "config", &st, 0) == 0 && S_ISREG(st.st_mode))
        lock_look_at(dir, us, out);
    else
        (void)snprintf(out->problem, sizeof out->problem, "the folder is no repository of borg");
    (void)close(dir);
}
