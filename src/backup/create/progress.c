#include "backup/create/progress.h"

#include "base/json.h"
#include "base/jsonw.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* An estimate never says that all is done: only the end of borg does. */
static const double estimate_max = 99.0;
enum { ETA_AFTER_MS = 2000, ETA_MAX_S = 30 * 24 * 3600 };

void progress_init(struct progress *p)
{
    *p = (struct progress){.files = -1,
                           .original = -1,
                           .compressed = -1,
                           .deduplicated = -1,
                           .percent = -1,
                           .eta_s = -1};
}

void progress_start(struct progress *p, uint64_t now_ms, int64_t expected_original)
{
    progress_init(p);
    p->expected_original = expected_original;
    p->started_ms = now_ms;
    p->phase_ms = now_ms;
}

/* Copies text, cut on a character's border. */
static void copy(char *to, size_t size, const char *s)
{
    size_t n = utf8_cut(s, strlen(s), size - 1);
    memcpy(to, s, n);
    to[n] = '\0';
}

static int64_t count(const json_t *m, const char *key, int64_t before)
{
    int64_t v = json_get_int(m, key, -1);
    return v >= 0 ? v : before;
}

static void enter(struct progress *p, const char *phase, uint64_t now_ms)
{
    char cut[sizeof p->phase];
    copy(cut, sizeof cut, phase);
    if (strcmp(p->phase, cut) == 0)
        return;
    copy(p->phase, sizeof p->phase, cut);
    p->phase_ms = now_ms;
    p->message[0] = '\0';
    p->percent = -1;
    p->eta_s = -1;
    p->estimate = false;
}

/* Time left, if it goes on as it went since `since_ms`. */
static void set_eta(struct progress *p, double part, uint64_t since_ms, uint64_t now_ms)
{
    p->eta_s = -1;
    if (part <= 0 || now_ms < since_ms + ETA_AFTER_MS)
        return;
    double left = part >= 1 ? 0 : (double)(now_ms - since_ms) / 1000.0 * (1 - part) / part;
    if (left <= ETA_MAX_S)
        p->eta_s = (int64_t)(left + 0.5);
}

static void feed_archive(struct progress *p, const json_t *m, uint64_t now_ms)
{
    enter(p, "create", now_ms);
    if (json_get_bool(m, "finished", false))
        return; /* carries no counters */
    p->files = count(m, "nfiles", p->files);
    p->original = count(m, "original_size", p->original);
    p->compressed = count(m, "compressed_size", p->compressed);
    p->deduplicated = count(m, "deduplicated_size", p->deduplicated);
    copy(p->path, sizeof p->path, json_get_str(m, "path", p->path));
    if (p->expected_original <= 0 || p->original < 0)
        return;
    double part = (double)p->original / (double)p->expected_original;
    p->percent = part * 100 < estimate_max ? part * 100 : estimate_max;
    p->estimate = true;
    if (part < 1)
        set_eta(p, part, p->started_ms, now_ms);
    else
        p->eta_s = -1; /* more than last time: nobody knows how much */
}

static void feed_percent(struct progress *p, const json_t *m, uint64_t now_ms)
{
    enter(p, json_get_str(m, "msgid", "working"), now_ms);
    p->estimate = false;
    if (json_get_bool(m, "finished", false)) {
        p->percent = 100;
        p->eta_s = 0;
        return;
    }
    const char *words = json_get_str(m, "message", "");
    copy(p->message, sizeof p->message, words + strspn(words, " "));
    const char *path = json_string_value(json_array_get(json_object_get(m, "info"), 0));
    if (path)
        copy(p->path, sizeof p->path, path);
    double current = json_get_num(m, "current", -1);
    double total = json_get_num(m, "total", 0);
    if (total <= 0 || current < 0)
        return; /* extract's first lines have no total yet */
    double part = current < total ? current / total : 1;
    p->percent = part * 100;
    set_eta(p, part, p->phase_ms, now_ms);
}

static void feed_message(struct progress *p, const json_t *m, uint64_t now_ms)
{
    if (json_get_bool(m, "finished", false))
        return;
    enter(p, json_get_str(m, "msgid", "working"), now_ms);
    copy(p->message, sizeof p->message, json_get_str(m, "message", ""));
}

static const struct feeder {
    const char *type;
    void (*feed)(struct progress *p, const json_t *m, uint64_t now_ms);
} feeders[] = {
    {"archive_progress", feed_archive},
    {"progress_percent", feed_percent},
    {"progress_message", feed_message},
};

bool progress_feed(struct progress *p, const json_t *message, uint64_t now_ms)
{
    const char *type = json_get_str(message, "type", "");
    for (size_t i = 0; i < sizeof feeders / sizeof *feeders; i++) {
        if (strcmp(type, feeders[i].type) == 0) {
            feeders[i].feed(p, message, now_ms);
            return true;
        }
    }
    return false;
}

static void known_int(struct jsonw *w, const char *key, int64_t v)
{
    if (v >= 0)
        jsonw_kint(w, key, v);
}

static void known_str(struct jsonw *w, const char *key, const char *s)
{
    if (s && s[0] != '\0')
        jsonw_kstr(w, key, s);
}

void progress_json(const struct progress *p, const char *repository, const char *label,
                   struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    known_int(&w, "files", p->files);
    known_int(&w, "original_size", p->original);
    known_int(&w, "compressed_size", p->compressed);
    known_int(&w, "deduplicated_size", p->deduplicated);
    known_str(&w, "path", p->path);
    known_str(&w, "phase", p->phase);
    if (p->percent >= 0) {
        char percent[32];
        int n = snprintf(percent, sizeof percent, "%.1f", p->percent);
        jsonw_key(&w, "percent");
        jsonw_raw(&w, percent, n > 0 ? (size_t)n : 0);
    }
    known_int(&w, "eta_s", p->eta_s);
    if (p->estimate)
        jsonw_kbool(&w, "estimate", true);
    known_str(&w, "repository", repository);
    known_str(&w, "label", label);
    jsonw_end_object(&w);
}

/* Decimal units and two places, as borg writes sizes. */
static void size_text(struct buf *out, int64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        (void)buf_printf(out, "%d B", bytes > 0 ? (int)bytes : 0);
        return;
    }
    double v = (double)bytes / 1000;
    size_t u = 0;
    for (; v >= 999.995 && u + 1 < sizeof units / sizeof *units; u++)
        v /= 1000;
    (void)buf_printf(out, "%.2f %s", v, units[u]);
}

void progress_text(const struct progress *p, struct buf *out)
{
    if (strcmp(p->phase, "create") != 0) {
        (void)buf_puts(out, p->message);
        return;
    }
    if (p->files < 0)
        return;
    size_text(out, p->original);
    (void)buf_puts(out, " O ");
    size_text(out, p->compressed);
    (void)buf_puts(out, " C ");
    size_text(out, p->deduplicated);
    (void)buf_printf(out, " D %lld N %s", (long long)p->files, p->path);
}
