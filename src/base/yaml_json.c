/* From YAML to JSON and back. */
#include "base/utf8.h"
#include "base/yaml.h"
#include "limits.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- to JSON ---- */

static json_t *text(const char *s, size_t n)
{
    return json_stringn(s, n);
}

static json_t *scalar(const struct yaml_node *n,
                      const char *(*shown)(const struct yaml_node *n, size_t *len))
{
    size_t len = 0;
    const char *other = shown ? shown(n, &len) : NULL;
    if (other)
        return text(other, len);
    if (n->type == YAML_NULL)
        return json_null();
    if (n->type == YAML_BOOL)
        return json_boolean(n->i != 0);
    if (n->type == YAML_INT)
        return json_integer(n->i);
    if (n->type == YAML_FLOAT && isfinite(n->d))
        return json_real(n->d);
    return text(n->text, n->len);
}

static json_t *list(const struct yaml_node *n,
                    const char *(*shown)(const struct yaml_node *n, size_t *len))
{
    json_t *out = json_array();
    for (struct yaml_node *k = n->first; k; k = k->next)
        if (json_array_append_new(out, yaml_to_json(k, shown)) != 0) {
            json_decref(out);
            return NULL;
        }
    return out;
}

/* A key that is itself a list or map has no name in JSON. */
static const char *key_text(struct yaml_node *k)
{
    k = yaml_real(k);
    return k->kind == YAML_SCALAR ? k->text : "?";
}

static json_t *map(const struct yaml_node *n,
                   const char *(*shown)(const struct yaml_node *n, size_t *len))
{
    json_t *out = json_object();
    for (struct yaml_node *k = n->first; k && k->next; k = k->next->next)
        if (json_object_set_new(out, key_text(k), yaml_to_json(k->next, shown)) != 0) {
            json_decref(out);
            return NULL;
        }
    return out;
}

json_t *yaml_to_json(struct yaml_node *n,
                     const char *(*shown)(const struct yaml_node *n, size_t *len))
{
    n = yaml_real(n);
    if (!n)
        return json_null();
    json_t *v = n->kind == YAML_SCALAR ? scalar(n, shown)
                : n->kind == YAML_LIST ? list(n, shown)
                                       : map(n, shown);
    return v && n->tag ? json_pack("{s:o}", n->tag, v) : v;
}

/* ---- to YAML ---- */

void yaml_quote(const char *s, size_t n, struct buf *out)
{
    (void)buf_putc(out, '"');
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        size_t k = utf8_char((const unsigned char *)s + i, n - i);
        if (c == '"' || c == '\\')
            (void)buf_printf(out, "\\%c", c);
        else if (c == '\n')
            (void)buf_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7F || k == 0)
            (void)buf_printf(out, "\\x%02X", c);
        else if (k == 1)
            (void)buf_putc(out, (char)c);
        else if (k == 2 && c == 0xC2) /* U+0080 … U+00BF: line ends and controls among them */
            (void)buf_printf(out, "\\x%02X", (unsigned char)s[i + 1]);
        else if (k == 3 && (c == 0xE2 || c == 0xEF)) /* U+2028, U+2029, U+FEFF among them */
            (void)buf_printf(out, "\\u%04X",
                             ((unsigned)c & 0x0F) << 12 | ((unsigned)s[i + 1] & 0x3F) << 6 |
                                 ((unsigned)s[i + 2] & 0x3F));
        else
            (void)buf_append(out, s + i, k);
        i += k ? k : 1;
    }
    (void)buf_putc(out, '"');
}

static void indent(struct buf *out, int level)
{
    for (int i = 0; i < level; i++)
        (void)buf_puts(out, "  ");
}

static const char *only_tag(const json_t *v)
{
    const char *key = json_is_object(v) && json_object_size(v) == 1
                          ? json_object_iter_key(json_object_iter((json_t *)(uintptr_t)v))
                          : NULL;
    return key && key[0] == '!' ? key : NULL;
}

static bool tag_sound(const char *tag)
{
    size_t n = strspn(tag + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n > 0 && tag[1 + n] == '\0';
}

static void leaf(const json_t *v, struct buf *out)
{
    if (json_is_string(v))
        yaml_quote(json_string_value(v), json_string_length(v), out);
    else if (json_is_integer(v))
        (void)buf_printf(out, "%" PRId64, (int64_t)json_integer_value(v));
    else if (json_is_real(v)) /* with a dot and a signed exponent, else it would be text */
        (void)buf_printf(out, "%.17e", json_real_value(v));
    else
        (void)buf_puts(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
}

static bool put(const json_t *v, int level, struct buf *out);

static bool put_map(const json_t *v, int level, struct buf *out)
{
    const char *key;
    json_t *one;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)v, key, one)
    {
        indent(out, level);
        yaml_quote(key, strlen(key), out);
        (void)buf_putc(out, ':');
        ok = ok && put(one, level + 1, out);
    }
    return ok;
}

static bool put_list(const json_t *v, int level, struct buf *out)
{
    size_t i;
    json_t *one;
    bool ok = true;
    json_array_foreach(v, i, one)
    {
        indent(out, level);
        (void)buf_putc(out, '-');
        ok = ok && put(one, level + 1, out);
    }
    return ok;
}

/* After "key:" or "-": the value, and the line's end. */
static bool put(const json_t *v, int level, struct buf *out)
{
    const char *tag = only_tag(v);
    if (level > LIMIT_YAML_DEPTH || (tag && !tag_sound(tag)))
        return false;
    if (tag) {
        (void)buf_printf(out, " %s", tag);
        return put(json_object_get(v, tag), level, out);
    }
    bool is_map = json_is_object(v);
    if (!is_map && !json_is_array(v)) {
        (void)buf_putc(out, ' ');
        leaf(v, out);
        (void)buf_putc(out, '\n');
        return true;
    }
    bool empty = is_map ? json_object_size(v) == 0 : json_array_size(v) == 0;
    if (empty) {
        (void)buf_puts(out, is_map ? " {}\n" : " []\n");
        return true;
    }
    (void)buf_putc(out, '\n');
    return is_map ? put_map(v, level, out) : put_list(v, level, out);
}

bool yaml_from_json(const json_t *v, struct buf *out)
{
    bool ok;
    if (json_is_object(v) && json_object_size(v) > 0 && !only_tag(v)) {
        ok = put_map(v, 0, out);
    } else {
        (void)buf_puts(out, "---");
        ok = put(v, 1, out);
    }
    return ok && !out->failed;
}
