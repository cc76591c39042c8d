#include "sys/log.h"

#include "base/buf.h"
#include "base/jsonw.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_BUFFER = 256 * 1024, /* lines that wait for a slow reader of our output */
    LOG_LINE = 8 * 1024,
    LOG_RETRY_MS = 50,
    LOG_STOP_MS = 1000,
};

static struct {
    struct buf waiting;
    enum log_level level;
    uint64_t dropped;
    bool on_loop;
    uv_check_t check; /* after each turn of the loop */
    uv_timer_t retry; /* while the reader is slow */
} sink = {.waiting = {.max = LOG_BUFFER}, .level = LOG_L_INFO};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what waits and the count */

static const char *const names[] = {"debug", "info", "notice", "warning", "error"};

bool log_level_parse(const char *word, enum log_level *level)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(word, names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

/* stdout may be a pipe that nobody reads: poll first, so that a write never blocks the loop for a
 * whole pipe (a pipe that polls writable takes at least PIPE_BUF bytes). */
static void flush_locked(int wait_ms)
{
    enum { PIECE = 4096 };
    while (sink.waiting.n) {
        struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (poll(&p, 1, wait_ms) <= 0)
            return;
        size_t n = sink.waiting.n < PIECE ? sink.waiting.n : PIECE;
        ssize_t w = write(STDOUT_FILENO, sink.waiting.p, n);
        if (w < 0 && errno != EINTR && errno != EAGAIN) {
            buf_reset(&sink.waiting); /* nobody will ever read it */
            return;
        }
        if (w > 0)
            buf_consume(&sink.waiting, (size_t)w);
    }
}

/* True: something is left. */
static bool flush(int wait_ms)
{
    (void)pthread_mutex_lock(&lock);
    flush_locked(wait_ms);
    bool left = sink.waiting.n > 0;
    (void)pthread_mutex_unlock(&lock);
    return left;
}

/* How many lines were dropped, once everything else is out. */
static uint64_t take_dropped(void)
{
    (void)pthread_mutex_lock(&lock);
    uint64_t n = sink.waiting.n == 0 ? sink.dropped : 0;
    sink.dropped -= n;
    (void)pthread_mutex_unlock(&lock);
    return n;
}

static void on_retry(uv_timer_t *t);

static void flush_on_loop(void)
{
    if (flush(0) && !uv_is_active((uv_handle_t *)&sink.retry))
        (void)uv_timer_start(&sink.retry, on_retry, LOG_RETRY_MS, 0);
    char n[24];
    uint64_t dropped = take_dropped();
    if (dropped)
        log_event(LOG_L_WARNING, "log_lines_dropped", "count", log_int((int64_t)dropped, n), NULL);
}

static void on_retry(uv_timer_t *t)
{
    flush_on_loop();
}

static void on_check(uv_check_t *c)
{
    flush_on_loop();
}

void log_start(uv_loop_t *loop, enum log_level level)
{
    sink.level = level;
    (void)uv_check_init(loop, &sink.check);
    (void)uv_timer_init(loop, &sink.retry);
    (void)uv_check_start(&sink.check, on_check);
    uv_unref((uv_handle_t *)&sink.check);
    uv_unref((uv_handle_t *)&sink.retry);
    sink.on_loop = true;
}

void log_stop(void)
{
    if (sink.on_loop) {
        uv_close((uv_handle_t *)&sink.check, NULL);
        uv_close((uv_handle_t *)&sink.retry, NULL);
        sink.on_loop = false;
    }
    (void)flush(LOG_STOP_MS);
    buf_done(&sink.waiting);
}

bool log_wants(enum log_level level)
{
    return level >= sink.level;
}

static void stamp(struct jsonw *w)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    struct tm tm;
    (void)gmtime_r(&now.tv_sec, &tm);
    char text[40];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + n, sizeof text - n, ".%03dZ", (int)(now.tv_usec / 1000));
    jsonw_kstr(w, "time", text);
}

void log_event(enum log_level level, const char *event, ...)
{
    if (!log_wants(level))
        return;
    struct buf line;
    buf_init(&line, LOG_LINE);
    struct jsonw w;
    jsonw_init(&w, &line);
    jsonw_begin_object(&w);
    stamp(&w);
    jsonw_kstr(&w, "level", names[level]);
    jsonw_kstr(&w, "event", event);
    va_list ap;
    va_start(ap, event);
    const char *key;
    while ((key = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        if (value)
            jsonw_kstr(&w, key, value);
    }
    va_end(ap);
    jsonw_end_object(&w);
    (void)buf_putc(&line, '\n');
    (void)pthread_mutex_lock(&lock);
    bool kept = !line.failed && sink.waiting.n + line.n <= LOG_BUFFER &&
                buf_append(&sink.waiting, line.p, line.n);
    if (!kept)
        sink.dropped++;
    (void)pthread_mutex_unlock(&lock);
    buf_done(&line);
    if (!sink.on_loop)
        (void)flush(LOG_STOP_MS);
}

const char *log_int(int64_t v, char *buf)
{
    (void)snprintf(buf, 24, "%lld", (long long)v);
    return buf;
}
