/* The text of a configuration around its values: what is replaced, and what comments give away. */
#include "backup/configs/config_keys.h"
#include "backup/configs/config_mask_internal.h"
#include "jobs/redact.h"

#include <string.h>

enum { TOKEN_MIN = 16 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || (c && strchr("_-+=", c));
}

bool config_looks_secret(const char *s, size_t n)
{
    size_t letters = 0, digits = 0, run = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && is_word(s[i])) {
            letters += is_letter(s[i]);
            digits += is_digit(s[i]);
            run++;
            continue;
        }
        if (run >= TOKEN_MIN && letters && digits)
            return true;
        letters = digits = run = 0;
    }
    return false;
}

bool config_hide_passwords(const char *s, size_t n, struct buf *out,
                           void (*found)(struct config_mask *m, const char *bytes, size_t len),
                           struct config_mask *m)
{
    size_t from = 0, masked = 0;
    for (size_t i = 0; i + 3 < n; i++) {
        if (strncmp(s + i, "://", 3) != 0)
            continue;
        size_t host = i + 3, end = host, colon = 0, at = 0;
        while (end < n && !strchr("/ \t\n\"'", s[end]))
            end++;
        for (size_t k = host; k < end; k++) {
            if (s[k] == ':' && !colon)
                colon = k;
            if (s[k] == '@')
                at = k;
        }
        if (!colon || at <= colon + 1)
            continue;
        (void)buf_append(out, s + from, colon + 1 - from);
        (void)buf_puts(out, "***");
        if (found)
            found(m, s + colon + 1, at - colon - 1);
        from = at;
        masked++;
    }
    (void)buf_append(out, s + from, n - from);
    return masked > 0;
}

/* ---- the text with other values ---- */

struct rewriting {
    const struct buf *text;
    size_t at;
    bool (*instead)(const struct yaml_node *n, struct buf *out, void *arg);
    void (*between)(const char *s, size_t n, bool line_start, struct buf *out, void *arg);
    void *arg;
    struct buf *out;
};

static void copy_gap(struct rewriting *r, size_t to)
{
    const char *s = r->text->p + r->at;
    bool line_start = r->at == 0 || strchr(" \t\n\r", r->text->p[r->at - 1]);
    if (to <= r->at)
        return;
    if (r->between)
        r->between(s, to - r->at, line_start, r->out, r->arg);
    else
        (void)buf_append(r->out, s, to - r->at);
    r->at = to;
}

static void rewrite(struct rewriting *r, const struct yaml_node *n)
{
    for (const struct yaml_node *k = n->first; k; k = k->next)
        rewrite(r, k);
    if (n->kind != YAML_SCALAR || n->end <= n->start)
        return;
    copy_gap(r, n->start);
    if (r->instead(n, r->out, r->arg)) {
        if (r->text->p[n->end - 1] == '\n') /* of a block */
            (void)buf_putc(r->out, '\n');
    } else {
        (void)buf_append(r->out, r->text->p + n->start, n->end - n->start);
    }
    r->at = n->end;
}

bool config_rewrite(const struct buf *text, const struct yaml_node *root,
                    bool (*instead)(const struct yaml_node *n, struct buf *out, void *arg),
                    void (*between)(const char *s, size_t n, bool line_start, struct buf *out,
                                    void *arg),
                    void *arg, struct buf *out)
{
    struct rewriting r = {
        .text = text, .instead = instead, .between = between, .arg = arg, .out = out};
    if (root)
        rewrite(&r, root);
    copy_gap(&r, text->n);
    return !out->failed;
}

/* ---- comments ---- */

/* Where the value begins of a "name: value" with a secret's name; n when there is none. */
static size_t secret_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t from = i;
        char name[64];
        while (i < n && is_word(s[i]) && s[i] != '=')
            i++;
        size_t k = i - from;
        if (k > 0 && k < sizeof name && i < n && (s[i] == ':' || s[i] == '=')) {
            memcpy(name, s + from, k);
            name[k] = '\0';
            const struct config_key *key = config_key(name);
            if ((key && key->show != CONFIG_SHOW) || config_secret_name(name, k))
                return i + 1;
        }
        i += i == from || k > 0;
    }
    return n;
}

static void put_words(const char *s, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n;) {
        size_t from = i;
        while (i < n && is_word(s[i]))
            i++;
        if (config_looks_secret(s + from, i - from))
            (void)buf_puts(out, "***");
        else
            (void)buf_append(out, s + from, i - from);
        if (i < n)
            (void)buf_putc(out, s[i++]);
    }
}

/* One comment, from its '#' to before the line's end. */
static void put_comment(const struct config_mask *m, const char *s, size_t n, struct buf *out)
{
    struct buf no_urls, no_words;
    buf_init(&no_urls, 2 * LIMIT_YAML);
    buf_init(&no_words, 2 * LIMIT_YAML);
    size_t value = secret_value(s, n);
    (void)config_hide_passwords(s, value, &no_urls, NULL, NULL);
    put_words(no_urls.p ? no_urls.p : "", no_urls.n, &no_words);
    (void)redact_apply(m->redact, no_words.p ? no_words.p : "", no_words.n, out);
    if (value < n && strspn(s + value, " \t") < n - value)
        (void)buf_puts(out, " ***");
    buf_wipe(&no_urls);
    buf_wipe(&no_words);
}

static void between(const char *s, size_t n, bool line_start, struct buf *out, void *arg)
{
    const struct config_mask *m = arg;
    for (size_t i = 0; i < n;) {
        if (s[i] == '#' && (i > 0 ? strchr(" \t\n\r", s[i - 1]) != NULL : line_start)) {
            size_t from = i;
            while (i < n && s[i] != '\n')
                i++;
            put_comment(m, s + from, i - from, out);
        } else {
            (void)buf_putc(out, s[i++]);
        }
    }
}

static bool masked(const struct yaml_node *n, struct buf *out, void *arg)
{
    size_t len;
    const char *shown = config_mask_shown(n, &len);
    if (!shown)
        return false;
    yaml_quote(shown, len, out);
    return true;
}

bool config_mask_text(const struct config_mask *m, struct buf *out)
{
    const void *arg = m;
    return config_rewrite(&m->text, yaml_doc_root(m->yaml), masked, between, (void *)(uintptr_t)arg,
                          out);
}
