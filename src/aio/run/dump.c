#include "aio/run/dump.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A file's time is that of the kernel's last tick, and may be a little before the clock's. */
enum { CLOCK_SLACK_MS = 1000 };

static bool say(char *problem, size_t size, const char *text)
{
    (void)snprintf(problem, size, "%s", text);
    return true;
}

static int look_at(const char *folder, const char *name, struct stat *st)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return ENAMETOOLONG;
    return stat(path, st) == 0 ? 0 : errno;
}

static bool look_at_files(const char *folder, int64_t since_ms, bool *clean, char *problem,
                          size_t size)
{
    struct stat st;
    int failed = look_at(folder, "export.failed", &st);
    if (failed == 0)
        return say(problem, size, "the database's export failed (export.failed is there)");
    int dump = look_at(folder, "database-dump.sql", &st);
    if (failed != ENOENT || (dump != 0 && dump != ENOENT)) {
        (void)snprintf(problem, size, "AIO_DUMP_DIR cannot be read: %s",
                       strerror(failed != ENOENT ? failed : dump));
        return false;
    }
    if (dump == ENOENT)
        return say(problem, size, "there is no database-dump.sql");
    int64_t written = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    if (written + CLOCK_SLACK_MS < since_ms)
        return say(problem, size, "database-dump.sql is older than this stop");
    *clean = true;
    return true;
}

bool aio_dump_look(const char *dump_dir, const struct aio_container *database, int64_t stopped_ms,
                   bool *clean, char *problem, size_t size)
{
    *clean = false;
    problem[0] = '\0';
    if (!database) {
        (void)say(problem, size, "there is no database container");
        return false;
    }
    if (database->running || database->restarting)
        return say(problem, size, "the database still runs");
    if (database->exit_code != 0) {
        (void)snprintf(problem, size, "the database ended with exit code %d: it was not let dump",
                       database->exit_code);
        return true;
    }
    if (!*dump_dir) {
        (void)say(problem, size, "AIO_DUMP_DIR is not set: the dump cannot be seen from here");
        return false;
    }
    return look_at_files(dump_dir, stopped_ms ? stopped_ms : database->started_ms, clean, problem,
                         size);
}
