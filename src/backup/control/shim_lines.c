#include "backup/control/shim_lines.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { GLUE_TRIES = 4 };

void shim_lines_init(struct shim_lines *l)
{
    *l = (struct shim_lines){0};
    buf_init(&l->line, LIMIT_LINE);
    for (size_t i = 0; i < CONTROL_PROGRESS_IDS; i++)
        buf_init(&l->progress[i].held, LIMIT_LINE);
}

void shim_lines_done(struct shim_lines *l)
{
    buf_done(&l->line);
    for (size_t i = 0; i < CONTROL_PROGRESS_IDS; i++)
        buf_done(&l->progress[i].held);
}

static void emit_line(const struct shim_lines *l, const char *p, size_t n)
{
    l->emit(l->arg, p, n);
    l->emit(l->arg, "\n", 1);
}

/* ---- progress, at a pace ---- */

static void send_held(struct shim_lines *l, struct shim_progress *g, uint64_t now_ms)
{
    if (!g->held.n)
        return;
    l->send(l->arg, CONTROL_JSON, g->held.p, g->held.n, true);
    buf_reset(&g->held);
    g->sent_ms = now_ms;
}

static struct shim_progress *progress_of(struct shim_lines *l, const char *key, uint64_t now_ms)
{
    struct shim_progress *oldest = &l->progress[0];
    for (size_t i = 0; i < CONTROL_PROGRESS_IDS; i++) {
        struct shim_progress *g = &l->progress[i];
        if (strcmp(g->key, key) == 0)
            return g;
        if (oldest->key[0] && (!g->key[0] || g->sent_ms < oldest->sent_ms))
            oldest = g;
    }
    send_held(l, oldest, now_ms);
    (void)snprintf(oldest->key, sizeof oldest->key, "%s", key);
    oldest->sent_ms = 0;
    return oldest;
}

static void take_progress(struct shim_lines *l, const json_t *j, const char *p, size_t n,
                          uint64_t now_ms)
{
    char key[sizeof l->progress->key];
    (void)snprintf(key, sizeof key, "%s",
                   json_get_str(j, "msgid", json_get_str(j, "type", "progress")));
    struct shim_progress *g = progress_of(l, key, now_ms);
    if (json_get_bool(j, "finished", false)) {
        send_held(l, g, now_ms);
        l->send(l->arg, CONTROL_JSON, p, n, false);
        g->key[0] = '\0';
    } else if (g->sent_ms && now_ms - g->sent_ms < PROGRESS_MS) {
        buf_reset(&g->held);
        (void)buf_append(&g->held, p, n);
    } else {
        buf_reset(&g->held);
        l->send(l->arg, CONTROL_JSON, p, n, true);
        g->sent_ms = now_ms;
    }
}

int shim_lines_due(const struct shim_lines *l, uint64_t now_ms)
{
    int due = -1;
    for (size_t i = 0; i < CONTROL_PROGRESS_IDS; i++) {
        const struct shim_progress *g = &l->progress[i];
        if (!g->held.n)
            continue;
        uint64_t age = now_ms - g->sent_ms;
        int left = age >= PROGRESS_MS ? 0 : (int)(PROGRESS_MS - age);
        due = due < 0 || left < due ? left : due;
    }
    return due;
}

void shim_lines_tick(struct shim_lines *l, uint64_t now_ms)
{
    for (size_t i = 0; i < CONTROL_PROGRESS_IDS; i++)
        if (now_ms - l->progress[i].sent_ms >= PROGRESS_MS)
            send_held(l, &l->progress[i], now_ms);
}

/* ---- messages ---- */

static void learn(char *to, size_t size, const char *message, const char *label)
{
    size_t n = strlen(label);
    if (strncmp(message, label, n) == 0)
        (void)snprintf(to, size, "%s", message + n + strspn(message + n, " "));
}

/* True for a line of --stats' table, from which the archive is learnt. */
static bool take_stats(struct shim_lines *l, const json_t *j)
{
    if (strcmp(json_get_str(j, "name", ""), "borg.output.stats") != 0)
        return false;
    const char *message = json_get_str(j, "message", "");
    learn(l->repository, sizeof l->repository, message, "Repository:");
    learn(l->archive, sizeof l->archive, message, "Archive name:");
    learn(l->id, sizeof l->id, message, "Archive fingerprint:");
    return true;
}

/* What borg would have written without --log-json. */
static void emit_text(struct shim_lines *l, const json_t *j, const char *type)
{
    if (strcmp(type, "file_status") == 0) {
        const char *status = json_get_str(j, "status", "?"), *path = json_get_str(j, "path", "");
        l->emit(l->arg, status, strlen(status));
        l->emit(l->arg, " ", 1);
        emit_line(l, path, strlen(path));
        return;
    }
    const char *message = json_get_str(j, "message", NULL);
    if (message)
        emit_line(l, message, strlen(message));
}

static void take_json(struct shim_lines *l, const json_t *j, const char *p, size_t n,
                      uint64_t now_ms)
{
    const char *type = json_get_str(j, "type", "");
    bool progress = strcmp(type, "archive_progress") == 0 || strncmp(type, "progress_", 9) == 0;
    if (progress) {
        take_progress(l, j, p, n, now_ms);
        if (l->raw && l->raw_progress)
            emit_line(l, p, n);
        return;
    }
    l->send(l->arg, CONTROL_JSON, p, n, false);
    if (take_stats(l, j) && l->hide_stats)
        return;
    if (l->raw)
        emit_line(l, p, n);
    else
        emit_text(l, j, type);
}

static json_t *parse_message(const char *p, size_t n)
{
    if (n < 2 || p[0] != '{' || p[n - 1] != '}')
        return NULL;
    json_t *j = json_parse(p, n, NULL);
    if (json_get_str(j, "type", NULL))
        return j;
    json_decref(j);
    return NULL;
}

static void take_text(struct shim_lines *l, const char *p, size_t n)
{
    l->send(l->arg, CONTROL_TEXT, p, n, false);
    emit_line(l, p, n);
}

/* A line is a message, or text, or a prompt with a message right behind it. */
static void take_line(struct shim_lines *l, const char *p, size_t n, uint64_t now_ms)
{
    json_t *j = NULL;
    const char *at = p;
    for (int i = 0; at && i < GLUE_TRIES; i++) {
        j = parse_message(at, n - (size_t)(at - p));
        if (j)
            break;
        size_t from = (size_t)(at - p) + 1;
        at = from < n ? memmem(p + from, n - from, "{\"", 2) : NULL;
    }
    if (!j) {
        take_text(l, p, n);
        return;
    }
    if (at > p)
        take_text(l, p, (size_t)(at - p));
    take_json(l, j, at, n - (size_t)(at - p), now_ms);
    json_decref(j);
}

/* ---- bytes to lines ---- */

/* Leaves out a character that the cut has halved. */
static size_t cut_length(const char *p, size_t n)
{
    size_t back = 0;
    while (back < 3 && back < n && ((unsigned char)p[n - 1 - back] & 0xc0) == 0x80)
        back++;
    bool lead = back < n && ((unsigned char)p[n - 1 - back] & 0xc0) == 0xc0;
    return lead ? n - 1 - back : n;
}

static void finish_line(struct shim_lines *l, uint64_t now_ms)
{
    if (l->cutting)
        take_text(l, l->line.p, cut_length(l->line.p, l->line.n));
    else
        take_line(l, buf_str(&l->line), l->line.n, now_ms);
    buf_reset(&l->line);
    l->cutting = false;
}

void shim_lines_feed(struct shim_lines *l, const char *p, size_t n, uint64_t now_ms)
{
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t part = end ? (size_t)(end - p) : n;
        size_t room = LIMIT_LINE - l->line.n;
        if (!l->cutting) {
            l->cutting = part > room;
            (void)buf_append(&l->line, p, l->cutting ? room : part);
        }
        if (!end)
            return;
        finish_line(l, now_ms);
        p += part + 1;
        n -= part + 1;
    }
}

void shim_lines_end(struct shim_lines *l, uint64_t now_ms)
{
    if (l->line.n || l->cutting)
        finish_line(l, now_ms);
    for (size_t i = 0; i < CONTROL_PROGRESS_IDS; i++)
        send_held(l, &l->progress[i], now_ms);
}
