#include "backup/archives/borg_glob.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <string.h>

/* Where the set ends whose '[' is before s, as borg sees it; NULL: it is no set, but a '['. */
static const char *set_end(const char *s)
{
    s += *s == '!';
    return *s ? strchr(s + 1, ']') : NULL;
}

static size_t char_len(const char *s, const char *end)
{
    size_t n = utf8_char((const unsigned char *)s, (size_t)(end - s));
    return n ? n : 1;
}

/* UTF-8 has the order of its characters. */
static bool in_order(const char *a, size_t an, const char *b, size_t bn)
{
    int c = memcmp(a, b, an < bn ? an : bn);
    return c < 0 || (c == 0 && an <= bn);
}

/* Of the set from s to end: whether each range ends where it begins or behind it. */
static bool ranges_ok(const char *s, const char *end)
{
    s += *s == '!';
    while (s < end) {
        size_t n = char_len(s, end);
        const char *to = s + n + 1;
        if (to >= end || s[n] != '-') {
            s += n;
            continue;
        }
        size_t k = char_len(to, end);
        if (!in_order(s, n, to, k))
            return false;
        s = to + k;
    }
    return true;
}

bool borg_glob_ok(const char *glob, const char *field, struct err *e)
{
    for (const char *s = strchr(glob, '['); s; s = strchr(s, '[')) {
        const char *end = set_end(++s);
        if (!end)
            continue;
        if (memchr(s, '/', (size_t)(end - s)))
            return err_field(e, ERR_BAD_REQUEST, field,
                             "must not hold a '/' in a set [...]; the character [ itself is [[]");
        if (!ranges_ok(s, end))
            return err_field(e, ERR_BAD_REQUEST, field,
                             "must not hold a range in a set [...] that ends before it begins");
        s = end;
    }
    return true;
}

char *borg_glob_archives(const char *glob)
{
    struct buf b;
    buf_init(&b, 4096);
    (void)buf_puts(&b, "--glob-archives=");
    for (const char *s = glob ? glob : "*"; *s; s++) /* braces would be borg's placeholders */
        (void)(*s == '{' || *s == '}' ? buf_printf(&b, "%c%c", *s, *s) : buf_putc(&b, *s));
    char *option = buf_take(&b, NULL);
    buf_done(&b);
    return option;
}

char *borg_glob_paths(const char *glob)
{
    return mem_printf("sh:%s", glob);
}
