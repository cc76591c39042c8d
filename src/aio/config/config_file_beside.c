/* AIO's small files beside configuration.json. */
#include "aio/config/config_file_internal.h"

#include "limits.h"
#include "sys/fsafe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY_MINUTES = 24 * 60 };

/* The whole file; absent is empty. */
static bool read_beside(const char *path, struct buf *out, struct err *e)
{
    const char *name;
    struct err why = {0};
    int dir = config_file_folder(path, &name, &why);
    bool ok = dir >= 0 && fsafe_read(dir, name, out, NULL, &why);
    if (dir >= 0)
        (void)close(dir);
    if (ok || why.code == ERR_NOT_FOUND)
        return true;
    return err_field(e, why.code, "AIO_CONFIG_FILE", "%s", why.msg);
}

/* ---- schedule ---- */

/* ^[0-1][0-9]:[0-5][0-9]$|^2[0-3]:[0-5][0-9]$, as AIO */
static bool read_time(const char *line, size_t n, int *minute)
{
    if (n != 5 || line[2] != ':' || strspn(line, "0123456789") != 2 ||
        strspn(line + 3, "0123456789") < 2)
        return false;
    int hours = (line[0] - '0') * 10 + line[1] - '0',
        minutes = (line[3] - '0') * 10 + line[4] - '0';
    *minute = hours * 60 + minutes;
    return hours < 24 && minutes < 60;
}

static bool line_is(const char *line, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(line, word, n) == 0;
}

bool config_file_schedule(const char *path, struct aio_schedule *out, struct err *e)
{
    struct buf text;
    buf_init(&text, AIO_SMALL_BYTES);
    *out = (struct aio_schedule){.updates = true, .success_notifications = true};
    bool ok = read_beside(path, &text, e);
    const char *line = buf_str(&text);
    size_t n = strcspn(line, "\n");
    if (ok && text.n > 0) {
        out->set = read_time(line, n, &out->minute_utc);
        ok = out->set || err_field(e, ERR_UNAVAILABLE, "AIO_CONFIG_FILE",
                                   "AIO's daily_backup_time begins with no time of the form HH:MM");
    }
    line += line[n] ? n + 1 : n;
    n = strcspn(line, "\n");
    out->updates = !line_is(line, n, "automaticUpdatesAreNotEnabled");
    line += line[n] ? n + 1 : n;
    n = strcspn(line, "\n");
    out->success_notifications = !line_is(line, n, "successNotificationsAreNotEnabled");
    buf_done(&text);
    return ok;
}

int aio_schedule_minutes(const struct aio_schedule *s, long long now_s)
{
    if (!s->set)
        return -1;
    long long day = DAY_MINUTES * 60LL;
    long long left = s->minute_utc * 60LL - now_s % day;
    return (int)((left < 0 ? left + day : left) / 60);
}

/* ---- archives ---- */

static bool read_archive(const char *line, size_t n, struct aio_archive *out)
{
    struct tm t = {0};
    const char *comma = memchr(line, ',', n);
    size_t name = comma ? (size_t)(comma - line) : 0;
    char when[32];
    if (name == 0 || name >= sizeof out->name || n - name - 1 >= sizeof when)
        return false;
    (void)snprintf(out->name, sizeof out->name, "%.*s", (int)name, line);
    (void)snprintf(when, sizeof when, "%.*s", (int)(n - name - 1), comma + 1);
    const char *end = strptime(when, "%Y-%m-%d %H:%M:%S", &t);
    out->time = end && !*end ? timegm(&t) : -1;
    return out->time >= 0;
}

bool config_file_archives(const char *path, struct aio_archive *out, size_t max, size_t *n,
                          struct err *e)
{
    struct buf text;
    buf_init(&text, AIO_LIST_BYTES);
    *n = 0;
    bool ok = read_beside(path, &text, e);
    const char *p = buf_str(&text);
    for (size_t end = text.n; end > 0 && *n < max;) {
        size_t from = end - 1;
        while (from > 0 && p[from - 1] != '\n')
            from--;
        size_t len = end - from - (p[end - 1] == '\n');
        *n += read_archive(p + from, len, &out[*n]);
        end = from;
    }
    buf_done(&text);
    return ok;
}
