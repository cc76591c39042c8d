#include "api/query.h"

#include "base/utf8.h"

#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *query_decode_bytes(struct arena *a, const char *s, size_t n, bool plus, struct err *e)
{
    char *out = arena_alloc(a, n + 1);
    size_t k = 0;
    if (!out) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '%') {
            out[k++] = plus && s[i] == '+' ? ' ' : s[i];
            continue;
        }
        int high = n - i > 2 ? hex(s[i + 1]) : -1, low = n - i > 2 ? hex(s[i + 2]) : -1;
        if (high < 0 || low < 0 || (high | low) == 0) {
            (void)err_set(e, ERR_BAD_REQUEST, "a %% must be followed by two hex digits, not 00");
            return NULL;
        }
        out[k++] = (char)(high << 4 | low);
        i += 2;
    }
    out[k] = '\0';
    if (strlen(out) != k) {
        (void)err_set(e, ERR_BAD_REQUEST, "the address holds a NUL");
        return NULL;
    }
    return out;
}

static bool is_text(const char *s)
{
    return !*s || utf8_valid(s, strlen(s));
}

char *query_decode(struct arena *a, const char *s, size_t n, bool plus, struct err *e)
{
    char *out = query_decode_bytes(a, s, n, plus, e);
    if (!out || is_text(out))
        return out;
    (void)err_set(e, ERR_BAD_REQUEST, "the address is not utf-8");
    return NULL;
}

void query_encode(struct buf *out, const char *bytes)
{
    for (size_t n = strlen(bytes); n;) {
        size_t k = utf8_char((const unsigned char *)bytes, n);
        unsigned char c = (unsigned char)*bytes;
        if (k == 0 || c < 0x20 || c == 0x7F || c == '%') {
            (void)buf_printf(out, "%%%02X", c);
            k = 1;
        } else {
            (void)buf_append(out, bytes, k);
        }
        bytes += k;
        n -= k;
    }
}

static bool seen(const struct query_arg *args, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(args[i].name, name) == 0)
            return true;
    return false;
}

static bool parse_one(struct arena *a, const char *s, size_t n, struct query_arg *args, size_t max,
                      size_t *count, struct err *e)
{
    const char *equals = memchr(s, '=', n);
    size_t name_len = equals ? (size_t)(equals - s) : n;
    char *name = query_decode(a, s, name_len, true, e);
    if (!name)
        return false;
    if (!*name)
        return err_set(e, ERR_BAD_REQUEST, "the query has a value without a name");
    if (seen(args, *count, name))
        return err_field(e, ERR_BAD_REQUEST, name, "given twice in the query");
    if (*count == max)
        return err_set(e, ERR_BAD_REQUEST, "the query has more than %zu values", max);
    const char *value = equals ? query_decode_bytes(a, equals + 1, n - name_len - 1, true, e) : "";
    if (!value)
        return false;
    args[(*count)++] = (struct query_arg){name, value, is_text(value)};
    return true;
}

bool query_parse(struct arena *a, const char *query, struct query_arg *args, size_t max,
                 size_t *count, struct err *e)
{
    *count = 0;
    while (*query) {
        size_t n = strcspn(query, "&");
        if (n && !parse_one(a, query, n, args, max, count, e))
            return false;
        query += n + (query[n] == '&');
    }
    return true;
}
