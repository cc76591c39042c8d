#include "backup/archives/entry.h"

#include "backup/archives/archive_path.h"
#include "limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Python's ascii() ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_digits(const char *s, int n, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        int d = hex(s[i]); /* a NUL is none: never past the end */
        if (d < 0)
            return false;
        *out = *out << 4 | (uint32_t)d;
    }
    return true;
}

/* A character as UTF-8; a lone surrogate DC80–DCFF stands for the byte 80–FF. 0: no such thing. */
static size_t put(char *to, uint32_t c)
{
    if (c == 0 || c > 0x10FFFF)
        return 0;
    if (c >= 0xD800 && c <= 0xDFFF) {
        if (c < 0xDC80 || c > 0xDCFF)
            return 0;
        to[0] = (char)(c & 0xFF);
        return 1;
    }
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* The character behind a backslash at s: its value, and how many bytes of s it took (0: none). */
static size_t escape(const char *s, uint32_t *c)
{
    static const struct {
        char name;
        int digits;
    } numbers[] = {{'x', 2}, {'u', 4}, {'U', 8}};
    static const char names[] = "\\'\"/nrtbf", values[] = "\\'\"/\n\r\t\b\f";
    const char *plain = *s ? strchr(names, *s) : NULL;
    if (plain) {
        *c = (unsigned char)values[plain - names];
        return 1;
    }
    uint32_t low;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (*s != numbers[i].name || !hex_digits(s + 1, numbers[i].digits, c))
            continue;
        size_t took = 1 + (size_t)numbers[i].digits;
        bool pair = *s == 'u' && *c >= 0xD800 && *c < 0xDC00 && s[took] == '\\' &&
                    s[took + 1] == 'u' && hex_digits(s + took + 2, 4, &low) && low >= 0xDC00 &&
                    low < 0xE000; /* JSON writes what is above FFFF so */
        if (!pair)
            return took;
        *c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
        return took + 6;
    }
    return 0;
}

/* A quoted text at *s, decoded in place (never longer than it was); *s is then behind it. */
static char *text(char **s)
{
    char quote = **s, *from = *s + 1, *to = from, *start = from;
    if (quote != '\'' && quote != '"')
        return NULL;
    while (*from != quote) {
        if ((unsigned char)*from < 0x20 || (unsigned char)*from > 0x7E)
            return NULL;
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        uint32_t c;
        size_t took = escape(from + 1, &c), made = took ? put(to, c) : 0;
        if (!made)
            return NULL;
        from += 1 + took;
        to += made;
    }
    *s = from + 1;
    *to = '\0'; /* at most on the quote itself */
    return start;
}

char *entry_unquote(char *s)
{
    return text(&s) ? s : NULL;
}

/* A name, or the number that borg shows where it holds no name. */
static const char *name(char **s)
{
    static const char none[] = "";
    size_t digits = strspn(*s, "-0123456789");
    if (!digits)
        return text(s);
    *s += digits;
    return none;
}

/* ---- the other fields ---- */

static bool blank(char **s)
{
    return *(*s)++ == ' ';
}

static bool number(char **s, int64_t *out)
{
    size_t n = strspn(*s + (**s == '-'), "0123456789");
    if (n == 0 || n > 18)
        return false;
    *out = strtoll(*s, s, 10);
    return true;
}

/* "drwxr-sr-t": the type, then who may do what; 'h' in front is a hard link. */
static bool mode(char **s, struct entry *e)
{
    static const char set[] = "rwxrwxrwx";
    const char *m = *s;
    if (strcspn(m, " ") != 10)
        return false;
    e->hard_link = m[0] == 'h';
    for (unsigned i = 0; i < 9; i++) {
        char c = m[1 + i];
        unsigned bit = 0400U >> i;
        bool third = i % 3 == 2, special = third && strchr("sStT", c);
        if (c != '-' && c != set[i] && !special)
            return false;
        if (c == set[i] || c == 's' || c == 't')
            e->mode |= bit;
        if (special)
            e->mode |= 04000U >> i / 3;
    }
    *s += 10;
    return true;
}

/* "2026-11-25T15:49:44.315521", perhaps with a zone behind it, which is UTC as we ask for it. */
static bool mtime(char **s, struct entry *e)
{
    static const char form[] = "0000-00-00T00:00:00";
    size_t n = strcspn(*s, " "), k = sizeof form - 1;
    if (n < k || n > 40)
        return false;
    for (size_t i = 0; i < k; i++)
        if (form[i] == '0' ? (*s)[i] < '0' || (*s)[i] > '9' : (*s)[i] != form[i])
            return false;
    if ((*s)[k] == '.')
        k += 1 + strspn(*s + k + 1, "0123456789");
    if (k > sizeof e->mtime - 2)
        return false;
    memcpy(e->mtime, *s, k);
    memcpy(e->mtime + k, "Z", 2);
    *s += n;
    return true;
}

int64_t entry_mtime_us(const struct entry *e)
{
    struct tm tm = {0};
    int64_t micro = 0;
    const char *s = strptime(e->mtime, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!s)
        return -1;
    s += *s == '.';
    for (int64_t place = 100000; *s >= '0' && *s <= '9'; s++, place /= 10)
        micro += (*s - '0') * place;
    return (int64_t)timegm(&tm) * 1000000 + micro;
}

/* The hash and a blank, the blank alone, or nothing. */
static void hash(char **s, struct entry *e)
{
    size_t n = strspn(*s, "0123456789abcdef");
    if (n == sizeof e->sha256 - 1 && (*s)[n] == ' ') {
        memcpy(e->sha256, *s, n);
        *s += n;
    }
    *s += **s == ' ';
}

bool entry_parse(char *line, struct entry *out)
{
    char *s = line;
    *out = (struct entry){.type = '?'};
    hash(&s, out);
    if (*s < '!' || *s > '~')
        return false;
    out->type = *s++;
    bool fields = blank(&s) && mode(&s, out) && blank(&s) && number(&s, &out->uid) && blank(&s) &&
                  number(&s, &out->gid) && blank(&s) && number(&s, &out->size) && blank(&s) &&
                  mtime(&s, out) && blank(&s);
    if (!fields || !(out->user = name(&s)) || !blank(&s) || !(out->group = name(&s)) ||
        !blank(&s) || !(out->target = text(&s)) || !blank(&s) || !(out->path = text(&s)))
        return false;
    return *s == '\0' && out->path[0];
}

const char *entry_type_word(char type)
{
    switch (type) {
    case '-':
        return "file";
    case 'd':
        return "directory";
    case 'l':
        return "symlink";
    case 'p':
        return "fifo";
    case 'c':
        return "char_device";
    case 'b':
        return "block_device";
    case 's':
        return "socket";
    default:
        return "other";
    }
}

/* ---- as JSON ---- */

static void owner(struct jsonw *w, const struct entry *e)
{
    char permissions[8];
    (void)snprintf(permissions, sizeof permissions, "%04o", e->mode & 07777);
    jsonw_kstr(w, "mtime", e->mtime);
    jsonw_kstr(w, "mode", permissions);
    jsonw_kstr(w, "user", e->user);
    jsonw_kint(w, "uid", e->uid);
    jsonw_kstr(w, "group", e->group);
    jsonw_kint(w, "gid", e->gid);
}

void entry_write(struct jsonw *w, const struct entry *e, bool implied)
{
    const char *slash = strrchr(e->path, '/');
    jsonw_begin_object(w);
    archive_path_write(w, e->path);
    jsonw_kstr(w, "name", slash ? slash + 1 : e->path);
    jsonw_kstr(w, "type", entry_type_word(e->type));
    if (e->type == '-' && !e->hard_link)
        jsonw_kint(w, "size", e->size);
    if (implied)
        jsonw_kbool(w, "implied", true);
    else
        owner(w, e);
    if (e->hard_link)
        jsonw_kbool(w, "hard_link", true);
    if (*e->target)
        jsonw_kstr(w, "target", e->target);
    jsonw_end_object(w);
}

/* ---- the listing ---- */

void entry_lines_init(struct entry_lines *l, void (*each)(void *arg, const struct entry *e),
                      void *arg)
{
    *l = (struct entry_lines){.each = each, .arg = arg};
    buf_init(&l->line, LIMIT_ENTRY_LINE);
}

void entry_lines_done(struct entry_lines *l)
{
    buf_done(&l->line);
}

static void line_ends(struct entry_lines *l)
{
    struct entry e;
    bool whole = !l->line.failed && l->line.n && !memchr(l->line.p, '\0', l->line.n);
    if (whole && entry_parse(l->line.p, &e))
        l->each(l->arg, &e);
    else
        l->bad++;
    buf_reset(&l->line);
}

void entry_lines_feed(struct entry_lines *l, const char *p, size_t n)
{
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t k = end ? (size_t)(end - p) : n;
        (void)buf_append(&l->line, p, k); /* too long stays failed until the line's end */
        if (end)
            line_ends(l);
        k += end != NULL;
        p += k;
        n -= k;
    }
}

bool entry_lines_sound(const struct entry_lines *l)
{
    return l->bad == 0 && l->line.n == 0 && !l->line.failed;
}
