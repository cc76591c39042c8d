#include "jobs/redact.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "limits.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The longest form of one byte: \u00ff in JSON text. */
enum { FORM_GROWTH = 6 };

struct needle {
    size_t n;
    char bytes[];
};

struct redact {
    struct needle *needles[LIMIT_NEEDLES]; /* by first byte, then longest first */
    size_t count;
    size_t longest;
    uint16_t begin[257]; /* needles with first byte c: begin[c] … begin[c + 1] - 1 */
};

struct redact *redact_new(void)
{
    return mem_zalloc(sizeof(struct redact));
}

void redact_free(struct redact *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        sodium_memzero(r->needles[i]->bytes, r->needles[i]->n);
        mem_free(r->needles[i]);
    }
    mem_free(r);
}

bool redact_empty(const struct redact *r)
{
    return !r || r->count == 0;
}

size_t redact_longest(const struct redact *r)
{
    return r ? r->longest : 0;
}

/* ---- the table ---- */

static bool same(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static unsigned first_byte(const struct needle *k)
{
    return (unsigned char)k->bytes[0];
}

static void index_again(struct redact *r)
{
    size_t at = 0;
    for (unsigned c = 0; c < 256; c++) {
        r->begin[c] = (uint16_t)at;
        while (at < r->count && first_byte(r->needles[at]) == c)
            at++;
    }
    r->begin[256] = (uint16_t)at;
}

static bool known(const struct redact *r, const char *p, size_t n)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->needles[i]->n == n && same(r->needles[i]->bytes, p, n))
            return true;
    return false;
}

static bool add_needle(struct redact *r, const char *p, size_t n)
{
    if (n == 0 || known(r, p, n))
        return true;
    struct needle *k = r->count < LIMIT_NEEDLES ? mem_alloc(sizeof *k + n) : NULL;
    if (!k)
        return false;
    k->n = n;
    memcpy(k->bytes, p, n);
    size_t at = r->count++;
    for (; at > 0; at--) {
        const struct needle *before = r->needles[at - 1];
        if (first_byte(before) < first_byte(k) ||
            (first_byte(before) == first_byte(k) && before->n >= n))
            break;
        r->needles[at] = r->needles[at - 1];
    }
    r->needles[at] = k;
    if (n > r->longest)
        r->longest = n;
    index_again(r);
    return true;
}

/* ---- the forms of a secret ---- */

/* How one form writes the bytes: takes at least one byte of s, returns how many. */
struct form {
    size_t (*put)(struct buf *b, const struct form *f, const unsigned char *s, size_t n);
    bool upper;       /* hex digits */
    bool flag;        /* JSON: / is escaped; repr: ' is escaped */
    bool ascii;       /* JSON, repr: non-ASCII is escaped */
    const char *safe; /* percent: left alone besides letters and digits; shell: what stands for ' */
    const char *blank; /* percent: what a space becomes, NULL: %20 */
};

static size_t put_hex(struct buf *b, const struct form *f, const char *mark, unsigned v, int width)
{
    (void)buf_puts(b, mark);
    (void)buf_printf(b, f->upper ? "%0*X" : "%0*x", width, v);
    return 1;
}

static unsigned code_point(const unsigned char *s, size_t k)
{
    unsigned v = k == 1 ? s[0] : s[0] & (0xFFu >> (k + 1));
    for (size_t i = 1; i < k; i++)
        v = v << 6 | (s[i] & 0x3Fu);
    return v;
}

static size_t put_json_wide(struct buf *b, const struct form *f, const unsigned char *s, size_t n)
{
    size_t k = utf8_char(s, n);
    if (k == 0) /* Python's surrogateescape */
        return put_hex(b, f, "\\u", 0xDC00u + s[0], 4);
    unsigned v = code_point(s, k);
    if (v < 0x10000) {
        (void)put_hex(b, f, "\\u", v, 4);
        return k;
    }
    (void)put_hex(b, f, "\\u", 0xD800u + ((v - 0x10000) >> 10), 4);
    (void)put_hex(b, f, "\\u", 0xDC00u + ((v - 0x10000) & 0x3FF), 4);
    return k;
}

static size_t put_json(struct buf *b, const struct form *f, const unsigned char *s, size_t n)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    if (s[0] >= 0x80 && f->ascii)
        return put_json_wide(b, f, s, n);
    const char *at = s[0] ? strchr(from, s[0]) : NULL;
    if (at) {
        char two[2] = {'\\', to[at - from]};
        (void)buf_append(b, two, 2);
    } else if (s[0] < 0x20) {
        (void)put_hex(b, f, "\\u", s[0], 4);
    } else {
        (void)buf_append(b, "\\/", s[0] == '/' && f->flag ? 2 : 0);
        (void)buf_append(b, s, s[0] == '/' && f->flag ? 0 : 1);
    }
    return 1;
}

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static size_t put_percent(struct buf *b, const struct form *f, const unsigned char *s, size_t n)
{
    if (s[0] == ' ' && f->blank)
        (void)buf_puts(b, f->blank);
    else if (f->safe && (is_alnum(s[0]) || (s[0] && strchr(f->safe, s[0]))))
        (void)buf_append(b, s, 1);
    else
        (void)put_hex(b, f, "%", s[0], 2);
    return 1;
}

static size_t put_shell(struct buf *b, const struct form *f, const unsigned char *s, size_t n)
{
    if (s[0] == '\'')
        (void)buf_puts(b, f->safe);
    else
        (void)buf_append(b, s, 1);
    return 1;
}

/* Python's repr of a string, or with `ascii` of bytes. */
static size_t put_repr(struct buf *b, const struct form *f, const unsigned char *s, size_t n)
{
    static const char from[] = "\\\n\r\t", to[] = "\\nrt";
    const char *at = s[0] ? strchr(from, s[0]) : NULL;
    if (at || (s[0] == '\'' && f->flag)) {
        char two[2] = {'\\', at ? to[at - from] : '\''};
        (void)buf_append(b, two, 2);
    } else if (s[0] < 0x20 || s[0] == 0x7F || (s[0] >= 0x80 && f->ascii)) {
        (void)put_hex(b, f, "\\x", s[0], 2);
    } else {
        (void)buf_append(b, s, 1);
    }
    return 1;
}

/* As lines shows it: what is no text became U+FFFD. */
static size_t put_shown(struct buf *b, const struct form *f, const unsigned char *s, size_t n)
{
    size_t k = utf8_char(s, n);
    bool control =
        (s[0] < 0x20 && s[0] != '\t') || s[0] == 0x7F || (k == 2 && s[0] == 0xC2 && s[1] < 0xA0);
    if (k == 0 || control)
        (void)buf_puts(b, "\xEF\xBF\xBD");
    else
        (void)buf_append(b, s, k);
    return k ? k : 1;
}

static const struct form forms[] = {
    {.put = put_json},
    {.put = put_json, .flag = true},
    {.put = put_json, .ascii = true},
    {.put = put_json, .ascii = true, .flag = true},
    {.put = put_json, .ascii = true, .upper = true},
    {.put = put_json, .ascii = true, .upper = true, .flag = true},
    {.put = put_percent, .safe = "-._~", .upper = true},
    {.put = put_percent, .safe = "-._~"},
    {.put = put_percent, .safe = "-._~/", .upper = true}, /* Python's quote */
    {.put = put_percent, .safe = "-._~/"},
    {.put = put_percent, .safe = "-._~!'()*", .upper = true}, /* encodeURIComponent */
    {.put = put_percent, .safe = "-._~!'()*"},
    {.put = put_percent, .safe = "-._~", .upper = true, .blank = "+"}, /* Python's quote_plus */
    {.put = put_percent, .safe = "-._~", .blank = "+"},
    {.put = put_percent, .safe = "-._*", .upper = true, .blank = "+"}, /* HTML forms */
    {.put = put_percent, .safe = "-._*", .blank = "+"},
    {.put = put_percent, .upper = true}, /* every byte */
    {.put = put_percent},
    {.put = put_shell, .safe = "'\\''"},
    {.put = put_shell, .safe = "'\"'\"'"}, /* Python's shlex.quote */
    {.put = put_repr},
    {.put = put_repr, .flag = true},
    {.put = put_repr, .ascii = true},
    {.put = put_repr, .ascii = true, .flag = true},
    {.put = put_shown},
};

static bool add_form(struct redact *r, const struct form *f, const char *s, size_t n, struct buf *b)
{
    buf_reset(b);
    for (size_t i = 0; i < n;)
        i += f->put(b, f, (const unsigned char *)s + i, n - i);
    return !b->failed && add_needle(r, b->p, b->n);
}

/* A secret of several lines (a key) comes out line by line. The markers of a key file are known to
 * everyone and are left to be read. */
static bool add_each_line(struct redact *r, const char *s, size_t n, size_t shortest)
{
    for (size_t i = 0; i < n;) {
        size_t len = 0;
        while (i + len < n && s[i + len] != '\n' && s[i + len] != '\r')
            len++;
        bool marker = len >= 5 && same(s + i, "-----", 5);
        if (len >= shortest && !marker && !add_needle(r, s + i, len))
            return false;
        i += len + 1;
    }
    return true;
}

bool redact_add(struct redact *r, const struct secret *s, bool even_short)
{
    size_t n = secret_len(s);
    if (n > LIMIT_SECRET || (n < SECRET_MIN && !even_short))
        return false;
    const char *bytes = secret_bytes(s);
    if (!add_needle(r, bytes, n) || !add_each_line(r, bytes, n, even_short ? 1 : SECRET_MIN))
        return false;
    struct buf b; /* all of its room at once: growing would leave copies behind */
    buf_init(&b, FORM_GROWTH * n + 1);
    bool ok = buf_reserve(&b, FORM_GROWTH * n + 1);
    for (size_t i = 0; ok && i < sizeof forms / sizeof forms[0]; i++)
        ok = add_form(r, &forms[i], bytes, n, &b);
    buf_wipe(&b);
    return ok;
}

/* ---- masking ---- */

static size_t longest_at(const struct redact *r, const char *p, size_t n)
{
    unsigned c = (unsigned char)p[0];
    for (size_t i = r->begin[c]; i < r->begin[c + 1]; i++) {
        const struct needle *k = r->needles[i];
        if (k->n <= n && same(k->bytes, p, k->n))
            return k->n;
    }
    return 0;
}

/* Matches that overlap are one mask: what sticks out of the first is a part of the second. */
size_t redact_apply(const struct redact *r, const char *text, size_t n, struct buf *out)
{
    size_t matches = 0, masked = 0; /* text before `masked` has been written or masked */
    for (size_t i = 0; i < n && !redact_empty(r); i++) {
        unsigned c = (unsigned char)text[i];
        if (r->begin[c] == r->begin[c + 1])
            continue;
        size_t len = longest_at(r, text + i, n - i);
        if (len == 0)
            continue;
        matches++;
        if (i >= masked) {
            (void)buf_append(out, text + masked, i - masked);
            (void)buf_append(out, "***", 3);
        }
        if (i + len > masked)
            masked = i + len;
    }
    (void)buf_append(out, text + masked, n - masked);
    return matches;
}
