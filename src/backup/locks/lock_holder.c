#include "backup/locks/lock_holder.h"

#include "backup/locks/lock_look.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOST_SHOWN = 200 };

static void tell(const struct lock_entry *e, char *out, size_t size)
{
    struct tm tm;
    time_t since = (time_t)e->since;
    char when[40] = "";
    if (since && gmtime_r(&since, &tm))
        (void)strftime(when, sizeof when, " since %Y-%m-%dT%H:%M:%SZ", &tm);
    /* HOST@NODE: the node's number tells a reader nothing */
    int n = (int)strcspn(e->host, "@");
    (void)snprintf(out, size, "held by process %lld on %.*s%s", (long long)e->pid,
                   n < HOST_SHOWN ? n : HOST_SHOWN, e->host, when);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

bool lock_holder(const char *lock, char *out, size_t size)
{
    bool writer = ends_with(lock, "/lock.exclusive");
    out[0] = '\0';
    if (lock[0] != '/' || (!writer && !ends_with(lock, "/lock")))
        return false;
    AUTO_FREE char *folder = mem_strndup(lock, (size_t)(strrchr(lock, '/') - lock));
    AUTO_FREE struct lock_state *found = mem_zalloc(sizeof *found);
    const struct lock_host nobody = {.id = ""};
    int dir = folder && found ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0)
        return false;
    lock_look_at(dir, &nobody, found);
    (void)close(dir);
    const struct lock_entry *first = found->exclusive;
    bool held = found->exclusive_count > 0;
    if (!writer && !held) {
        first = found->shared;
        held = found->shared_count > 0;
    }
    if (held)
        tell(first, out, size);
    return held;
}
