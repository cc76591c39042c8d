#include "aio/run/follow.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/lines.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { OUTS = 2 };

struct follow {
    struct engine *en;
    struct follow_to to;
    unsigned again_ms;

    struct engine_stream *script;
    struct lines *script_lines[OUTS];

    const char *container; /* whose log is followed; static */
    struct engine_stream *borg;
    struct lines *borg_lines[OUTS];
    uint64_t got[OUTS], skip[OUTS]; /* bytes of the log that have come, that come again */
    bool borg_died, borg_read;
    uint64_t borg_again_ms;

    struct engine_stream *events;
    struct buf event;   /* a line whose end has not come */
    bool event_dropped; /* it is too long */
    int64_t event_ns;   /* events from here on have not been seen */
    bool events_refused;
    uint64_t events_again_ms;
};

uint64_t follow_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int64_t follow_unix_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- lines ---- */

static void on_stdout_line(void *arg, const char *line, size_t n)
{
    struct follow *f = arg;
    f->to.script(f->to.arg, false, line, n);
}

static void on_stderr_line(void *arg, const char *line, size_t n)
{
    struct follow *f = arg;
    f->to.script(f->to.arg, true, line, n);
}

static void on_borg_line(void *arg, const char *line, size_t n)
{
    struct follow *f = arg;
    f->to.borg(f->to.arg, line, n);
}

struct follow *follow_new(struct engine *en, const struct redact *mask, const struct follow_to *to,
                          unsigned again_ms, struct err *e)
{
    struct follow *f = mem_zalloc(sizeof *f);
    if (!f) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to follow AIO's run");
        return NULL;
    }
    f->en = en;
    f->to = *to;
    f->again_ms = again_ms;
    f->event_ns = follow_unix_ms() * 1000000;
    buf_init(&f->event, AIO_EVENT_BYTES);
    f->script_lines[ENGINE_STDOUT] = lines_new(mask, on_stdout_line, f);
    f->script_lines[ENGINE_STDERR] = lines_new(mask, on_stderr_line, f);
    f->borg_lines[ENGINE_STDOUT] = lines_new(mask, on_borg_line, f);
    f->borg_lines[ENGINE_STDERR] = lines_new(mask, on_borg_line, f);
    for (int i = 0; i < OUTS; i++)
        if (!f->script_lines[i] || !f->borg_lines[i]) {
            follow_free(f);
            (void)err_set(e, ERR_NO_MEMORY, "no memory to follow AIO's run");
            return NULL;
        }
    return f;
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    engine_stream_close(f->script);
    engine_stream_close(f->borg);
    engine_stream_close(f->events);
    for (int i = 0; i < OUTS; i++) {
        lines_free(f->script_lines[i]);
        lines_free(f->borg_lines[i]);
    }
    buf_done(&f->event);
    mem_free(f);
}

/* ---- the script ---- */

static void script_data(void *arg, enum engine_out out, const char *p, size_t n)
{
    struct follow *f = arg;
    lines_feed(f->script_lines[out], p, n, follow_now_ms());
}

static void script_end(void *arg, const struct err *e)
{
    struct follow *f = arg;
    f->script = NULL;
    for (int i = 0; i < OUTS; i++)
        lines_end(f->script_lines[i]);
}

bool follow_exec(struct follow *f, const struct whitelist *w, const struct exec_command *c,
                 char id[EXEC_ID], struct err *e)
{
    const struct engine_sink sink = {.data = script_data, .end = script_end, .arg = f};
    engine_stream_close(f->script);
    f->script = exec_start(f->en, w, c, &sink, id, e);
    return f->script != NULL;
}

bool follow_script_log(struct follow *f, const char *master, int64_t since_ms, struct err *e)
{
    const struct engine_sink sink = {.data = script_data, .end = script_end, .arg = f};
    engine_stream_close(f->script);
    f->script = engine_logs(f->en, master, since_ms * 1000000, true, &sink, e);
    return f->script != NULL;
}

bool follow_script_open(const struct follow *f)
{
    return f->script != NULL;
}

/* ---- borgbackup's log ---- */

/* A log that is read again from its beginning: what has been seen is passed over. Its bytes are the
 * same each time, while a point in time may lie inside of a second that was half read. */
static void borg_data(void *arg, enum engine_out out, const char *p, size_t n)
{
    struct follow *f = arg;
    size_t seen = f->skip[out] < n ? (size_t)f->skip[out] : n;
    f->skip[out] -= seen;
    f->got[out] += n - seen;
    if (n > seen)
        lines_feed(f->borg_lines[out], p + seen, n - seen, follow_now_ms());
}

static void borg_end(void *arg, const struct err *e)
{
    struct follow *f = arg;
    f->borg = NULL;
    f->borg_again_ms = follow_now_ms() + f->again_ms;
    if (e || !f->borg_died)
        return;
    f->borg_read = true;
    for (int i = 0; i < OUTS; i++)
        lines_end(f->borg_lines[i]);
}

static void open_borg(struct follow *f)
{
    const struct engine_sink sink = {.data = borg_data, .end = borg_end, .arg = f};
    for (int i = 0; i < OUTS; i++)
        f->skip[i] = f->got[i];
    f->borg = engine_logs(f->en, f->container, 0, true, &sink, NULL);
    if (!f->borg && !f->borg_read)
        f->borg_again_ms = follow_now_ms() + f->again_ms;
}

void follow_borg(struct follow *f, const char *container)
{
    engine_stream_close(f->borg);
    f->borg = NULL;
    f->container = container;
    f->borg_died = f->borg_read = false;
    for (int i = 0; i < OUTS; i++) {
        f->got[i] = 0;
        lines_end(f->borg_lines[i]);
    }
    open_borg(f);
}

void follow_borg_died(struct follow *f)
{
    f->borg_died = true;
    if (!f->borg)
        f->borg_again_ms = 0; /* it may have ended a moment before: looked at once more */
}

bool follow_borg_read(const struct follow *f)
{
    return f->borg_read;
}

/* ---- events ---- */

bool follow_event_read(const char *line, size_t n, struct follow_event *out)
{
    json_t *ev = json_parse(line, n, NULL);
    const json_t *actor = json_object_get(ev, "Actor");
    const json_t *attributes = json_object_get(actor, "Attributes");
    *out = (struct follow_event){.exit_code = -1};
    (void)snprintf(out->action, sizeof out->action, "%s", json_get_str(ev, "Action", ""));
    (void)snprintf(out->name, sizeof out->name, "%s", json_get_str(attributes, "name", ""));
    (void)snprintf(out->id, sizeof out->id, "%s", json_get_str(actor, "ID", ""));
    const char *code = json_get_str(attributes, "exitCode", "");
    if (*code && strspn(code, "0123456789") == strlen(code) && strlen(code) <= 3)
        (void)sscanf(code, "%d", &out->exit_code);
    out->time_ms = json_get_int(ev, "timeNano", 0) / 1000000;
    bool container = strcmp(json_get_str(ev, "Type", ""), "container") == 0;
    json_decref(ev);
    return container && out->action[0] && out->name[0];
}

static void take_event(struct follow *f)
{
    struct follow_event ev;
    if (!f->event_dropped && f->event.n && follow_event_read(f->event.p, f->event.n, &ev)) {
        if (ev.time_ms > 0)
            f->event_ns = (ev.time_ms + 1) * 1000000;
        f->to.event(f->to.arg, &ev);
    }
    buf_wipe(&f->event); /* labels and attributes are whatever an image says */
    f->event_dropped = false;
}

static void events_data(void *arg, enum engine_out out, const char *p, size_t n)
{
    struct follow *f = arg;
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t k = end ? (size_t)(end - p) : n;
        if (!f->event_dropped && !buf_append(&f->event, p, k))
            f->event_dropped = true;
        if (!end)
            return;
        take_event(f);
        p += k + 1;
        n -= k + 1;
    }
}

static void events_end(void *arg, const struct err *e)
{
    struct follow *f = arg;
    f->events = NULL;
    f->events_again_ms = follow_now_ms() + f->again_ms;
    buf_reset(&f->event);
    f->event_dropped = false;
}

static void open_events(struct follow *f)
{
    const struct engine_sink sink = {.data = events_data, .end = events_end, .arg = f};
    struct err e = {0};
    f->events = engine_events(f->en, f->event_ns, &sink, &e);
    if (f->events)
        return;
    f->events_again_ms = follow_now_ms() + f->again_ms;
    f->events_refused = e.code == ERR_DOCKER_PERMISSION; /* a proxy's rule: it stays */
}

/* ---- all of it ---- */

bool follow_wait(struct follow *f, unsigned ms)
{
    uint64_t now = follow_now_ms();
    if (!f->events && !f->events_refused && now >= f->events_again_ms)
        open_events(f);
    if (f->container && !f->borg && !f->borg_read && now >= f->borg_again_ms)
        open_borg(f);
    return engine_wait(f->en, ms);
}
