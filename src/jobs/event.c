#include "jobs/event.h"

#include "base/jsonw.h"

#include <string.h>

static const struct {
    char letter;
    const char *name;
} kinds[EVENT_KINDS] = {
    [EVENT_STDOUT] = {'o', "stdout"},     [EVENT_STDERR] = {'e', "stderr"},
    [EVENT_PROGRESS] = {'p', "progress"}, [EVENT_STAGE] = {'s', "stage"},
    [EVENT_STATUS] = {'t', "status"},     [EVENT_DONE] = {'d', "done"},
    [EVENT_GAP] = {'g', "gap"},           [EVENT_BORG] = {'b', "borg"},
};

const char *event_kind_name(enum event_kind kind)
{
    return kinds[kind].name;
}

static bool kind_by_name(const char *s, size_t n, enum event_kind *kind)
{
    for (int k = 0; k < EVENT_KINDS; k++) {
        if (strlen(kinds[k].name) == n && memcmp(kinds[k].name, s, n) == 0) {
            *kind = (enum event_kind)k;
            return true;
        }
    }
    return false;
}

static bool kind_by_letter(char c, enum event_kind *kind)
{
    for (int k = 0; k < EVENT_KINDS; k++) {
        if (kinds[k].letter == c) {
            *kind = (enum event_kind)k;
            return true;
        }
    }
    return false;
}

bool event_kinds_parse(const char *list, unsigned *mask, struct err *e)
{
    unsigned m = 0;
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ",");
        enum event_kind kind;
        if (!kind_by_name(p, n, &kind))
            return err_field(e, ERR_BAD_REQUEST, "kinds",
                             "expected a comma-separated list of stdout, stderr, progress, stage, "
                             "status, done, gap, borg");
        m |= EVENT_MASK(kind);
        p += n;
        if (!*p)
            break;
    }
    *mask = m;
    return true;
}

/* In JSON text a raw newline is only white space (inside strings it is escaped), but it would end
 * the record. */
static void append_data(struct buf *out, const char *data)
{
    for (;;) {
        size_t n = strcspn(data, "\r\n");
        (void)buf_append(out, data, n);
        if (!data[n])
            return;
        (void)buf_putc(out, ' ');
        data += n + 1;
    }
}

void event_render(struct buf *out, enum event_kind kind, uint64_t id, uint64_t gid, double t,
                  const char *line, size_t n, const char *data)
{
    char head[2] = {kinds[kind].letter, ' '};
    (void)buf_append(out, head, sizeof head);
    (void)buf_u64(out, id);
    (void)buf_putc(out, ' ');
    (void)buf_u64(out, gid);
    (void)buf_append(out, " {\"id\":", 7);
    (void)buf_u64(out, id);
    (void)buf_append(out, ",\"t\":", 5);
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_seconds(&w, t);
    (void)buf_append(out, ",\"kind\":\"", 9);
    (void)buf_puts(out, kinds[kind].name);
    (void)buf_append(out, "\",\"line\":\"", 10);
    jsonw_escape(out, line, n);
    (void)buf_putc(out, '"');
    if (data) {
        (void)buf_append(out, ",\"data\":", 8);
        append_data(out, data);
    }
    (void)buf_append(out, "}\n", 2);
}

/* Decimal digits at *p, then one space; *p moves behind it. */
static bool take_number(const char **p, const char *end, uint64_t *v)
{
    const char *s = *p;
    uint64_t sum = 0;
    while (s < end && *s >= '0' && *s <= '9') {
        uint64_t digit = (uint64_t)(*s - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
        s++;
    }
    if (s == *p || s == end || *s != ' ')
        return false;
    *v = sum;
    *p = s + 1;
    return true;
}

bool event_parse(const char *p, size_t n, struct event *ev, size_t *used)
{
    const char *end = n ? memchr(p, '\n', n) : NULL;
    struct event got = {0};
    if (!end || end - p < 2 || p[1] != ' ' || !kind_by_letter(p[0], &got.kind))
        return false;
    const char *at = p + 2;
    if (!take_number(&at, end, &got.id) || !take_number(&at, end, &got.gid))
        return false;
    if (end - at < 2 || at[0] != '{' || end[-1] != '}')
        return false;
    got.json = at;
    got.json_len = (size_t)(end - at);
    *ev = got;
    *used = (size_t)(end - p) + 1;
    return true;
}
