#include "backup/ssh/known_hosts.h"

#include "backup/ssh/known_hosts_hash.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- one line ---- */

static size_t blanks(const char *p, size_t n)
{
    size_t k = 0;
    while (k < n && (p[k] == ' ' || p[k] == '\t'))
        k++;
    return k;
}

static size_t word(const char *p, size_t n)
{
    size_t k = 0;
    while (k < n && p[k] != ' ' && p[k] != '\t')
        k++;
    return k;
}

/* "[marker] hosts type key [comment]" */
static void read_entry(struct known_line *l)
{
    const char *p = l->text, *end = l->text + l->n;
    p += blanks(p, (size_t)(end - p));
    if (p == end || *p == '#')
        return;
    if (*p == '@') {
        l->marker = p;
        l->marker_len = word(p, (size_t)(end - p));
        p += l->marker_len;
        p += blanks(p, (size_t)(end - p));
    }
    l->hosts = p;
    l->hosts_len = word(p, (size_t)(end - p));
    p += l->hosts_len;
    p += blanks(p, (size_t)(end - p));
    l->hashed = l->hosts_len > 3 && memcmp(l->hosts, "|1|", 3) == 0;
    l->entry = l->hosts_len > 0 && sshkey_public_parse(p, (size_t)(end - p), &l->key);
}

bool known_hosts_line(const char *text, size_t n, size_t *at, struct known_line *out)
{
    if (*at >= n)
        return false;
    *out = (struct known_line){.text = text + *at};
    const char *end = memchr(out->text, '\n', n - *at);
    out->n = end ? (size_t)(end - out->text) : n - *at;
    out->whole = end ? out->n + 1 : out->n;
    *at += out->whole;
    read_entry(out);
    return true;
}

bool known_hosts_name(const char *host, int port, char out[KNOWN_HOST_NAME], struct err *e)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:%";
    char lower[256];
    size_t n = strlen(host);
    if (n == 0 || n > 253 || *host == '-')
        return err_field(e, ERR_BAD_REQUEST, "host", "must be a host's name or address");
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 32 : host[i]);
    if (strspn(lower, letters) != n)
        return err_field(e, ERR_BAD_REQUEST, "host",
                         "must be a host's name or address, without user, port or brackets");
    if (port == 0 || port == 22)
        (void)snprintf(out, KNOWN_HOST_NAME, "%s", lower);
    else
        (void)snprintf(out, KNOWN_HOST_NAME, "[%s]:%d", lower, port);
    return true;
}

/* "|1|salt|hash" of the name. */
static bool hashed_names(const char *p, size_t n, const char *name)
{
    unsigned char salt[HOST_HASH_KEY_MAX], want[HOST_HASH_BYTES + 1], have[HOST_HASH_BYTES];
    size_t salt_len = 0, want_len = 0;
    const char *bar = memchr(p + 3, '|', n - 3);
    if (!bar)
        return false;
    const char *hash = bar + 1;
    size_t hash_len = (size_t)(p + n - hash);
    if (sodium_base642bin(salt, sizeof salt, p + 3, (size_t)(bar - p - 3), NULL, &salt_len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        sodium_base642bin(want, sizeof want, hash, hash_len, NULL, &want_len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        want_len != HOST_HASH_BYTES)
        return false;
    host_hash(salt, salt_len, name, strlen(name), have);
    return memcmp(have, want, sizeof have) == 0;
}

/* The next of the names between commas. */
static bool next_name(const struct known_line *l, size_t *at, const char **name, size_t *n)
{
    if (*at >= l->hosts_len)
        return false;
    *name = l->hosts + *at;
    const char *comma = memchr(*name, ',', l->hosts_len - *at);
    *n = comma ? (size_t)(comma - *name) : l->hosts_len - *at;
    *at += *n + 1;
    return true;
}

static bool is_name(const char *p, size_t n, const char *name)
{
    return n == strlen(name) && strncasecmp(p, name, n) == 0;
}

bool known_hosts_names(const struct known_line *l, const char *name)
{
    const char *p;
    size_t n, at = 0;
    if (!l->entry)
        return false;
    if (l->hashed)
        return hashed_names(l->hosts, l->hosts_len, name);
    while (next_name(l, &at, &p, &n))
        if (is_name(p, n, name))
            return true;
    return false;
}

/* The line with its other names; none at all when there are none. */
static void copy_others(const struct known_line *l, const char *name, struct buf *out)
{
    const char *p;
    size_t n, at = 0, others = 0;
    while (!l->hashed && next_name(l, &at, &p, &n))
        others += !is_name(p, n, name);
    if (others == 0)
        return;
    (void)buf_append(out, l->text, (size_t)(l->hosts - l->text));
    bool first = true;
    for (at = 0; next_name(l, &at, &p, &n);) {
        if (is_name(p, n, name))
            continue;
        if (!first)
            (void)buf_putc(out, ',');
        (void)buf_append(out, p, n);
        first = false;
    }
    const char *rest = l->hosts + l->hosts_len;
    (void)buf_append(out, rest, (size_t)(l->text + l->whole - rest));
}

size_t known_hosts_without(const char *text, size_t n, const char *name, const char *type,
                           struct buf *out)
{
    struct known_line l;
    size_t at = 0, changed = 0;
    while (known_hosts_line(text, n, &at, &l)) {
        if (!known_hosts_names(&l, name) || l.marker || (type && strcmp(l.key.type, type) != 0)) {
            (void)buf_append(out, l.text, l.whole);
            continue;
        }
        changed++;
        copy_others(&l, name, out);
    }
    return changed;
}
