#include "aio/run/borg_watch.h"

#include "aio/look/container.h"
#include "base/json.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

void borg_watch_init(struct borg_watch *b)
{
    *b = (struct borg_watch){0};
    buf_init(&b->tail, AIO_LOG_TAIL);
}

void borg_watch_done(struct borg_watch *b)
{
    json_decref(b->before);
    json_decref(b->after);
    buf_done(&b->tail);
    borg_watch_init(b);
}

static json_t *state_of(const json_t *inspect)
{
    return json_deep_copy(json_object_get(inspect, "State"));
}

void borg_watch_begin(struct borg_watch *b, const json_t *inspect)
{
    borg_watch_done(b);
    (void)snprintf(b->before_id, sizeof b->before_id, "%s", json_get_str(inspect, "Id", ""));
    b->found = b->before_id[0] != '\0';
    b->before = state_of(inspect);
}

void borg_watch_begin_id(struct borg_watch *b, const char *id)
{
    borg_watch_done(b);
    (void)snprintf(b->before_id, sizeof b->before_id, "%s", id);
}

/* ---- what it was made for ---- */

static bool binds(const json_t *inspect, const char *location)
{
    char bind[AIO_TARGET_MAX + 32];
    size_t i;
    const json_t *v;
    (void)snprintf(bind, sizeof bind, "%s:/mnt/borgbackup:", location);
    json_array_foreach(json_object_get(json_object_get(inspect, "HostConfig"), "Binds"), i,
                       v) if (json_is_string(v) &&
                              strncmp(json_string_value(v), bind, strlen(bind)) == 0) return true;
    return false;
}

/* Remote wins inside the container when both are set. */
static bool goes_to(const json_t *inspect, const struct aio_target *t)
{
    const char *remote = aio_container_env(inspect, "BORG_REMOTE_REPO");
    if (t->remote_repo[0])
        return remote && strcmp(remote, t->remote_repo) == 0;
    if (!t->host_location[0])
        return true;
    return (!remote || !*remote) && binds(inspect, t->host_location);
}

static void take_new(struct borg_watch *b, const char *id, const json_t *inspect, const char *mode,
                     const struct aio_target *target)
{
    const char *ran = aio_container_env(inspect, "BORG_MODE");
    (void)snprintf(b->id, sizeof b->id, "%s", id);
    b->running = true;
    b->ended = false;
    b->mode_as_meant = ran && strcmp(ran, mode) == 0;
    b->target_as_meant = !target || goes_to(inspect, target);
    b->initialised = b->succeeded = b->stats = b->discarded = b->update_failed = false;
    b->reason[0] = b->last[0] = b->warning[0] = '\0';
    buf_reset(&b->tail);
}

/* A container that could not be started stays "created", with the exit code that says why. */
static bool has_ended(const json_t *state)
{
    const char *status = json_get_str(state, "Status", "");
    if (strcmp(status, "created") == 0)
        return json_get_int(state, "ExitCode", 0) != 0;
    return strcmp(status, "exited") == 0 || strcmp(status, "dead") == 0;
}

enum borg_change borg_watch_look(struct borg_watch *b, const json_t *inspect, const char *mode,
                                 const struct aio_target *target)
{
    const char *id = json_get_str(inspect, "Id", "");
    const json_t *state = json_object_get(inspect, "State");
    b->found = *id != '\0';
    if (!*id || strcmp(id, b->before_id) == 0)
        return BORG_SAME;
    /* Ours is the first; one after it is taken only when ours was none. */
    if (strcmp(id, b->id) != 0) {
        if (b->id[0] && b->mode_as_meant)
            return BORG_SAME;
        take_new(b, id, inspect, mode, target);
        return BORG_BEGAN;
    }
    if (b->ended || !has_ended(state))
        return BORG_SAME;
    b->running = false;
    b->ended = true;
    b->exit_code = (int)json_get_int(state, "ExitCode", -1);
    b->oom = json_get_bool(state, "OOMKilled", false);
    json_decref(b->after);
    b->after = state_of(inspect);
    return BORG_DIED;
}

/* ---- its log ---- */

void aio_tail_add(struct buf *tail, const char *line, size_t n)
{
    if (n + 1 > tail->max / 2) {
        line += n + 1 - tail->max / 2;
        n = tail->max / 2 - 1;
    }
    if (tail->n + n + 1 > tail->max) { /* the older half goes, from a line's beginning on */
        const char *from = memchr(tail->p + tail->n / 2, '\n', tail->n - tail->n / 2);
        buf_consume(tail, from ? (size_t)(from - tail->p) + 1 : tail->n);
    }
    if (tail->n + n + 1 > tail->max)
        buf_consume(tail, tail->n);
    (void)buf_append(tail, line, n);
    (void)buf_putc(tail, '\n');
}

static void keep(char *out, size_t size, const char *line)
{
    (void)snprintf(out, size, "%.*s", (int)size - 1, line);
}

enum aio_stage borg_watch_line(struct borg_watch *b, const char *line, size_t n)
{
    enum aio_mark mark;
    char text[1024];
    (void)snprintf(text, sizeof text, "%.*s", n < sizeof text ? (int)n : (int)sizeof text - 1,
                   line);
    aio_tail_add(&b->tail, line, n);
    enum aio_stage stage = aio_borg_line(text, &mark);
    if (mark == AIO_MARK_BORG_SUCCEEDED)
        b->succeeded = true;
    else if (mark == AIO_MARK_BORG_INITIALISED)
        b->initialised = true;
    else if (mark == AIO_MARK_BORG_STATS)
        b->stats = true;
    else if (mark == AIO_MARK_BORG_DISCARDED)
        b->discarded = true;
    else if (mark == AIO_MARK_BORG_UPDATE_FAILED)
        b->update_failed = true;
    else if (mark == AIO_MARK_BORG_REASON && !b->reason[0])
        keep(b->reason, sizeof b->reason, text);
    else if (mark == AIO_MARK_BORG_WARNING && !b->warning[0])
        keep(b->warning, sizeof b->warning, text);
    else if (mark == AIO_MARK_NONE && stage == AIO_STAGE_NONE && text[0])
        keep(b->last, sizeof b->last, text);
    return stage;
}

void borg_watch_evidence(const struct borg_watch *b, bool log_read, struct aio_evidence *ev)
{
    ev->found = b->found;
    ev->is_new = b->id[0] != '\0';
    ev->ended = b->ended;
    ev->mode_as_meant = b->mode_as_meant;
    ev->target_as_meant = b->target_as_meant;
    ev->exit_code = b->exit_code;
    ev->oom = b->oom;
    ev->log_read = log_read;
    ev->succeeded = b->succeeded;
    ev->stats = b->stats;
    ev->discarded = b->discarded;
    ev->update_failed = b->update_failed;
    keep(ev->reason, sizeof ev->reason, b->reason[0] ? b->reason : b->last);
    keep(ev->warning, sizeof ev->warning, b->warning);
}
