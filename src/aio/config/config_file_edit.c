/* The two keys changed in the text of configuration.json. Only places that the parser has found
 * sound are looked at, so the scan below trusts the text's form. */
#include "aio/config/config_file_internal.h"

#include "base/json.h"
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

enum { KEYS = 2 };
static const char *const key_names[KEYS] = {CONFIG_KEY_LOCAL, CONFIG_KEY_REMOTE};

struct span {
    size_t from, to;
};

/* The outermost object, as it stands in the text. */
struct layout {
    struct span value[KEYS]; /* to 0: the key is absent */
    size_t open;             /* behind '{' */
    size_t first;            /* the first key, or '}' */
    size_t last;             /* behind the last value, or as `open` */
};

/* ---- scanning ---- */

static size_t skip_space(const char *s, size_t n, size_t i)
{
    while (i < n && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t'))
        i++;
    return i;
}

/* s[i] is the opening quote. */
static size_t skip_string(const char *s, size_t n, size_t i)
{
    for (i++; i < n && s[i] != '"'; i++)
        if (s[i] == '\\')
            i++;
    return i < n ? i + 1 : n;
}

/* Of a member: what ends it at its own depth is a comma, the object's end or white space. */
static size_t skip_value(const char *s, size_t n, size_t i)
{
    size_t depth = 0;
    while (i < n) {
        char c = s[i];
        if (depth == 0 && (c == ',' || c == '}' || skip_space(s, n, i) > i))
            break;
        if (c == '"') {
            i = skip_string(s, n, i);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        i++;
        if (depth == 0 && (c == '}' || c == ']'))
            break;
    }
    return i;
}

/* The key written at `at`, escapes and all. */
static bool key_is(const char *s, struct span at, const char *name)
{
    size_t n = at.to - at.from;
    if (!memchr(s + at.from, '\\', n))
        return n == strlen(name) + 2 && memcmp(s + at.from + 1, name, n - 2) == 0;
    json_t *key = json_parse(s + at.from, n, NULL);
    const char *text = json_string_value(key);
    bool same = text && strcmp(text, name) == 0;
    json_decref(key);
    return same;
}

static void scan(const char *s, size_t n, struct layout *out)
{
    *out = (struct layout){.open = skip_space(s, n, 0) + 1};
    size_t i = out->first = skip_space(s, n, out->open);
    out->last = out->open;
    while (i < n && s[i] == '"') {
        struct span key = {i, skip_string(s, n, i)};
        i = skip_space(s, n, skip_space(s, n, key.to) + 1); /* past the colon */
        struct span value = {i, skip_value(s, n, i)};
        for (size_t k = 0; k < KEYS; k++)
            if (key_is(s, key, key_names[k]))
                out->value[k] = value;
        out->last = value.to;
        i = skip_space(s, n, value.to);
        if (i < n && s[i] == ',')
            i = skip_space(s, n, i + 1);
    }
}

/* ---- writing as PHP does: JSON_UNESCAPED_SLASHES | JSON_PRETTY_PRINT ---- */

static void write_char(struct buf *out, const unsigned char *c, size_t len)
{
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned v = c[0] & lead[len];
    for (size_t i = 1; i < len; i++)
        v = v << 6 | (c[i] & 0x3F);
    if (v >= 0x10000)
        (void)buf_printf(out, "\\u%04x\\u%04x", 0xD800 + ((v - 0x10000) >> 10),
                         0xDC00 + ((v - 0x10000) & 0x3FF));
    else
        (void)buf_printf(out, "\\u%04x", v);
}

/* s: valid UTF-8. */
static void write_string(struct buf *out, const char *s)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    size_t n = strlen(s);
    (void)buf_putc(out, '"');
    for (size_t i = 0; i < n;) {
        const unsigned char *c = (const unsigned char *)s + i;
        size_t len = utf8_char(c, n - i);
        assert(len > 0);
        const char *known = len == 1 ? strchr(plain, s[i]) : NULL;
        if (known) {
            (void)buf_putc(out, '\\');
            (void)buf_putc(out, letter[known - plain]);
        } else if (len == 1 && *c >= 0x20) {
            (void)buf_putc(out, s[i]);
        } else {
            write_char(out, c, len);
        }
        i += len;
    }
    (void)buf_putc(out, '"');
}

static void write_line(struct buf *out, size_t depth)
{
    (void)buf_putc(out, '\n');
    for (size_t i = 0; i < depth; i++)
        (void)buf_puts(out, "    ");
}

/* The whole text laid out anew, its values as they are: one that was written without lines would
 * mislead the greps of AIO's scripts. */
static void write_pretty(struct buf *out, const char *s, size_t n)
{
    size_t depth = 0;
    for (size_t i = skip_space(s, n, 0); i < n; i = skip_space(s, n, i)) {
        char c = s[i];
        size_t end = c == '"' ? skip_string(s, n, i) : i + 1;
        if (c == '}' || c == ']')
            write_line(out, --depth);
        (void)buf_append(out, s + i, end - i);
        i = end;
        if (c == '{' || c == '[') {
            size_t next = skip_space(s, n, i);
            bool empty = next < n && (s[next] == '}' || s[next] == ']');
            if (empty)
                (void)buf_putc(out, s[next]);
            else
                write_line(out, ++depth);
            i = empty ? next + 1 : i;
        } else if (c == ',') {
            write_line(out, depth);
        } else if (c == ':') {
            (void)buf_putc(out, ' ');
        }
    }
}

/* ---- the edit ---- */

struct change {
    const char *value[KEYS]; /* NULL: stays */
};

/* True when something was added to an object without members, which then stands on lines. */
static bool write_added(const char *s, const struct layout *at, const struct change *c,
                        struct buf *out)
{
    bool filled = at->last > at->open, any = filled;
    for (size_t k = 0; k < KEYS; k++) {
        if (!c->value[k] || at->value[k].to)
            continue;
        if (any)
            (void)buf_putc(out, ',');
        if (filled) /* as the first one stands */
            (void)buf_append(out, s + at->open, at->first - at->open);
        else
            write_line(out, 1);
        any = true;
        write_string(out, key_names[k]);
        (void)buf_puts(out, ": ");
        write_string(out, c->value[k]);
    }
    if (any && !filled)
        (void)buf_putc(out, '\n');
    return any && !filled;
}

static void write_changed(const char *s, size_t n, const struct layout *at, const struct change *c,
                          struct buf *out)
{
    size_t from = 0;
    size_t first = at->value[0].from > at->value[1].from; /* of the two, the one that comes first */
    for (size_t i = 0; i < KEYS; i++) {
        size_t k = i ? 1 - first : first;
        if (!c->value[k] || !at->value[k].to)
            continue;
        (void)buf_append(out, s + from, at->value[k].from - from);
        write_string(out, c->value[k]);
        from = at->value[k].to;
    }
    (void)buf_append(out, s + from, at->last - from);
    size_t rest = write_added(s, at, c, out) ? at->first : at->last;
    (void)buf_append(out, s + rest, n - rest);
}

static bool has_lines(const char *s, const struct layout *at)
{
    return memchr(s + at->open, '\n', at->first - at->open) != NULL;
}

static bool write_edited(const char *s, size_t n, const struct change *c, struct buf *out,
                         struct err *e)
{
    struct layout at;
    scan(s, n, &at);
    if (has_lines(s, &at)) {
        write_changed(s, n, &at, c, out);
    } else {
        struct buf pretty;
        buf_init(&pretty, out->max);
        write_pretty(&pretty, s, n);
        scan(buf_str(&pretty), pretty.n, &at);
        write_changed(buf_str(&pretty), pretty.n, &at, c, out);
        out->failed |= pretty.failed;
        buf_wipe(&pretty);
    }
    if (out->failed)
        return err_set(e, ERR_UNAVAILABLE, "AIO's configuration is longer than %zu bytes",
                       out->max);
    return true;
}

/* The text says what it is to say and nothing else has changed in it. */
static bool proven(json_t *root, const struct change *c, const struct buf *out, struct err *e)
{
    bool ok = true;
    for (size_t k = 0; k < KEYS; k++)
        ok = ok && (!c->value[k] ||
                    json_object_set_new(root, key_names[k], json_string(c->value[k])) == 0);
    if (!ok)
        return err_set(e, ERR_NO_MEMORY, "no memory to change AIO's configuration");
    json_t *after = json_parse(buf_str(out), out->n, NULL);
    ok = after && json_equal(root, after);
    json_decref(after);
    if (!ok)
        return err_set(e, ERR_INTERNAL, "AIO's configuration cannot be changed safely");
    return true;
}

bool config_file_edit(const char *text, size_t n, const struct aio_target *t, struct buf *out,
                      struct err *e)
{
    struct aio_target now;
    struct err why = {0};
    if (!utf8_valid(t->host_location, strlen(t->host_location)) ||
        !utf8_valid(t->remote_repo, strlen(t->remote_repo)))
        return err_set(e, ERR_BAD_REQUEST, "a backup target must be valid UTF-8");
    json_t *root = json_parse(text, n, &why);
    bool ok = json_is_object(root) ||
              err_set(e, ERR_UNAVAILABLE, "AIO's configuration is no JSON object%s%s",
                      why.msg[0] ? ": " : "", why.msg);
    ok = ok && config_file_target(root, &now, e);
    if (ok) {
        const struct change c = {
            {strcmp(now.host_location, t->host_location) ? t->host_location : NULL,
             strcmp(now.remote_repo, t->remote_repo) ? t->remote_repo : NULL}};
        ok = write_edited(text, n, &c, out, e) && proven(root, &c, out, e);
    }
    json_decref(root);
    return ok;
}
