#include "base/jsonw.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void jsonw_init(struct jsonw *w, struct buf *b)
{
    *w = (struct jsonw){.b = b};
}

static void before_value(struct jsonw *w)
{
    if (w->comma)
        (void)buf_putc(w->b, ',');
    w->comma = true;
}

static void begin(struct jsonw *w, char c)
{
    before_value(w);
    (void)buf_putc(w->b, c);
    w->comma = false;
}

static void end(struct jsonw *w, char c)
{
    (void)buf_putc(w->b, c);
    w->comma = true;
}

void jsonw_begin_object(struct jsonw *w)
{
    begin(w, '{');
}

void jsonw_end_object(struct jsonw *w)
{
    end(w, '}');
}

void jsonw_begin_array(struct jsonw *w)
{
    begin(w, '[');
}

void jsonw_end_array(struct jsonw *w)
{
    end(w, ']');
}

void jsonw_key(struct jsonw *w, const char *key)
{
    before_value(w);
    (void)buf_putc(w->b, '"');
    (void)buf_puts(w->b, key);
    (void)buf_append(w->b, "\":", 2);
    w->comma = false;
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7F;
}

static void escape_one(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        (void)buf_append(b, "\\\"", 2);
        return;
    case '\\':
        (void)buf_append(b, "\\\\", 2);
        return;
    case '\n':
        (void)buf_append(b, "\\n", 2);
        return;
    case '\r':
        (void)buf_append(b, "\\r", 2);
        return;
    case '\t':
        (void)buf_append(b, "\\t", 2);
        return;
    default:
        (void)buf_printf(b, "\\u%04x", c);
    }
}

void jsonw_escape(struct buf *b, const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t i = 0;
    while (i < n) {
        size_t from = i;
        while (i < n && plain(u[i]))
            i++;
        if (i > from)
            (void)buf_append(b, s + from, i - from);
        if (i == n)
            break;
        if (u[i] < 0x80) {
            escape_one(b, u[i++]);
            continue;
        }
        size_t k = utf8_char(u + i, n - i);
        (void)buf_append(b, k ? s + i : "\xEF\xBF\xBD", k ? k : 3);
        i += k ? k : 1;
    }
}

void jsonw_strn(struct jsonw *w, const char *s, size_t n)
{
    before_value(w);
    (void)buf_putc(w->b, '"');
    jsonw_escape(w->b, s, n);
    (void)buf_putc(w->b, '"');
}

void jsonw_str(struct jsonw *w, const char *s)
{
    if (s)
        jsonw_strn(w, s, strlen(s));
    else
        jsonw_null(w);
}

void jsonw_int(struct jsonw *w, int64_t v)
{
    before_value(w);
    if (v < 0)
        (void)buf_putc(w->b, '-');
    (void)buf_u64(w->b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void jsonw_seconds(struct jsonw *w, double t)
{
    if (!isfinite(t) || fabs(t) > 1e14) {
        jsonw_null(w);
        return;
    }
    before_value(w);
    if (t < 0)
        (void)buf_putc(w->b, '-');
    uint64_t ms = (uint64_t)llround(fabs(t) * 1000);
    (void)buf_u64(w->b, ms / 1000);
    char tail[4] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                    (char)('0' + ms % 10)};
    (void)buf_append(w->b, tail, sizeof tail);
}

void jsonw_bool(struct jsonw *w, bool v)
{
    before_value(w);
    (void)buf_puts(w->b, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
    before_value(w);
    (void)buf_append(w->b, "null", 4);
}

void jsonw_raw(struct jsonw *w, const char *json, size_t n)
{
    if (n == 0) {
        jsonw_null(w);
        return;
    }
    before_value(w);
    (void)buf_append(w->b, json, n);
}

void jsonw_kstr(struct jsonw *w, const char *key, const char *s)
{
    jsonw_key(w, key);
    jsonw_str(w, s);
}

void jsonw_kint(struct jsonw *w, const char *key, int64_t v)
{
    jsonw_key(w, key);
    jsonw_int(w, v);
}

void jsonw_kseconds(struct jsonw *w, const char *key, double t)
{
    jsonw_key(w, key);
    jsonw_seconds(w, t);
}

void jsonw_kbool(struct jsonw *w, const char *key, bool v)
{
    jsonw_key(w, key);
    jsonw_bool(w, v);
}

void jsonw_kraw(struct jsonw *w, const char *key, const char *json)
{
    jsonw_key(w, key);
    jsonw_raw(w, json ? json : "null", json ? strlen(json) : 4);
}
