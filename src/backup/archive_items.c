#include "backup/archive_items.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void archive_items_init(struct archive_items *s, void (*on_record)(void *arg, const char *record),
                        void *arg)
{
    *s = (struct archive_items){.on_record = on_record, .arg = arg};
    buf_init(&s->rest, LIMIT_ITEM);
}

void archive_items_feed(struct archive_items *s, const char *p, size_t n)
{
    while (n > 0 && !s->too_long) {
        const char *end = memchr(p, '\0', n);
        size_t k = end ? (size_t)(end - p) : n;
        if (!buf_append(&s->rest, p, k)) {
            s->too_long = true;
            return;
        }
        if (end) {
            s->on_record(s->arg, buf_str(&s->rest));
            buf_reset(&s->rest);
            k++;
        }
        p += k;
        n -= k;
    }
}

bool archive_items_whole(const struct archive_items *s)
{
    return !s->too_long && s->rest.n == 0;
}

void archive_items_done(struct archive_items *s)
{
    buf_done(&s->rest);
}

/* "2026-11-25T15:57:51.171510", the fraction optional; *end is behind it. */
static bool parse_time(const char *s, int64_t *us, const char **end)
{
    struct tm tm = {0};
    long micro = 0;
    const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    if (*rest == '.') {
        long place = 100000;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, place /= 10)
            micro += (*rest - '0') * place;
    }
    while (*rest && *rest != ' ') /* a zone: ours is UTC */
        rest++;
    *us = (int64_t)timegm(&tm) * 1000000 + micro;
    *end = rest;
    return true;
}

bool archive_item_parse(const char *record, struct archive_item *out)
{
    char *end;
    const char *at;
    const char *size = strchr(record, ' ');
    if (!size || size == record || size[1] < '0' || size[1] > '9')
        return false;
    out->type = record[0];
    errno = 0;
    out->size = strtoll(size + 1, &end, 10);
    if (errno || *end != ' ' || !parse_time(end + 1, &out->mtime_us, &at) || *at != ' ')
        return false;
    out->path = at + 1;
    return out->path[0] != '\0';
}

bool archive_item_hash(const char *record, char hex[65], const char **path)
{
    if (strspn(record, "0123456789abcdef") != 64 || record[64] != ' ' || !record[65])
        return false;
    memcpy(hex, record, 64);
    hex[64] = '\0';
    *path = record + 65;
    return true;
}

char *archive_items_shown(const char *name)
{
    char *shown = mem_strdup(name);
    size_t n = shown ? strlen(shown) : 0;
    for (size_t i = 0; i < n;) {
        size_t k = utf8_char((const unsigned char *)shown + i, n - i);
        if (k == 0)
            shown[i] = '?';
        i += k ? k : 1;
    }
    return shown;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80) != 0;
}

char *archive_items_pattern(const char *path)
{
    if (!strchr(path, '?'))
        return mem_printf("pp:%s", path); /* borg 1.2 says of pf: that it never matched */
    struct buf b;
    buf_init(&b, 2 * LIMIT_ITEM + 16);
    (void)buf_puts(&b, "re:\\A");
    for (const char *p = path; *p; p++) {
        if (*p == '?')
            (void)buf_putc(&b, '.');
        else if (is_plain(*p))
            (void)buf_putc(&b, *p);
        else
            (void)(buf_putc(&b, '\\') && buf_putc(&b, *p));
    }
    (void)buf_puts(&b, "\\Z");
    return buf_take(&b, NULL);
}
