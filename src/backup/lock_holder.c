#include "backup/lock_holder.h"

#include "base/json.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROSTER_MAX = 64 * 1024, HOST_MAX = 255 };

static void tell(const char *host, long long pid, time_t since, char *out, size_t size)
{
    struct tm tm;
    char when[32] = "";
    if (gmtime_r(&since, &tm))
        (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    /* HOST@NODE: the node's number tells a reader nothing */
    int n = (int)strcspn(host, "@");
    (void)snprintf(out, size, "held by process %lld on %.*s since %s", pid,
                   n < HOST_MAX ? n : HOST_MAX, host, when);
}

/* The directory holds one file named HOST@NODE.PID-THREAD. */
static bool read_exclusive(const char *lock, char *out, size_t size)
{
    DIR *d = opendir(lock);
    bool found = false;
    for (const struct dirent *e; d && !found && (e = readdir(d)) != NULL;) {
        const char *dot = strrchr(e->d_name, '.');
        struct stat st;
        long long pid = 0;
        if (!strchr(e->d_name, '@') || !dot || sscanf(dot + 1, "%18lld-", &pid) != 1 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        tell(e->d_name, pid, st.st_mtime, out, size);
        found = true;
    }
    if (d)
        (void)closedir(d);
    return found;
}

/* {"exclusive": [["HOST@NODE", PID, THREAD], …], "shared": […]} */
static bool read_roster(const char *lock, char *out, size_t size)
{
    AUTO_FREE char *path = mem_printf("%s.roster", lock);
    AUTO_FREE char *text = mem_alloc(ROSTER_MAX);
    struct stat st = {0};
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n = text && fd >= 0 && fstat(fd, &st) == 0 ? read(fd, text, ROSTER_MAX) : -1;
    if (fd >= 0)
        (void)close(fd);
    json_t *roster = n > 0 ? json_parse(text, (size_t)n, NULL) : NULL;
    const json_t *one = json_array_get(json_object_get(roster, "exclusive"), 0);
    if (!one)
        one = json_array_get(json_object_get(roster, "shared"), 0);
    const char *host = json_string_value(json_array_get(one, 0));
    const json_t *pid = json_array_get(one, 1);
    bool ok = host && json_is_integer(pid);
    if (ok)
        tell(host, json_integer_value(pid), st.st_mtime, out, size);
    json_decref(roster);
    return ok;
}

bool lock_holder(const char *lock, char *out, size_t size)
{
    static const char exclusive[] = "/lock.exclusive";
    size_t n = strlen(lock);
    size_t k = sizeof exclusive - 1;
    out[0] = '\0';
    if (lock[0] != '/')
        return false;
    if (n > k && strcmp(lock + n - k, exclusive) == 0)
        return read_exclusive(lock, out, size);
    return n > 5 && strcmp(lock + n - 5, "/lock") == 0 && read_roster(lock, out, size);
}
