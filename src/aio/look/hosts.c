#include "aio/look/hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* A name without a dot: Docker's own names, which no other resolver knows. */
static bool is_container(const struct aio_context *x, const char *host)
{
    size_t prefix = strlen(AIO_NAME_PREFIX), n = strlen(host);
    const char *master = x->whitelist.master;
    if (master && *master && strcmp(host, master) == 0)
        return true;
    return n > prefix && n < 64 && strncmp(host, AIO_NAME_PREFIX, prefix) == 0 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyz" DIGITS "-") == n;
}

/* An entry may stand between blanks, an IPv6 address in brackets. */
static bool same_host(const char *entry, const char *host)
{
    entry += strspn(entry, " ");
    size_t n = strcspn(entry, " ");
    if (n > 2 && entry[0] == '[' && entry[n - 1] == ']') {
        entry++;
        n -= 2;
    }
    return n > 0 && strlen(host) == n && strncasecmp(entry, host, n) == 0;
}

bool aio_host_allowed(const struct aio_context *x, const char *host, const char *domain)
{
    if (is_loopback(host) || is_container(x, host))
        return true;
    for (size_t i = 0; i < x->host_count; i++)
        if (same_host(x->hosts[i], host))
            return true;
    return domain && same_host(domain, host);
}

/* ---- addresses ---- */

static bool bad(struct err *e, const char *what)
{
    return err_field(e, ERR_BAD_REQUEST, "base_url",
                     "must be http:// or https://, a host, maybe a port and a path: %s", what);
}

static bool take(char *out, size_t size, const char *from, size_t n)
{
    if (n >= size)
        return false;
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

/* → what follows the host, or NULL. */
static const char *take_host(const char *s, struct base_url *out)
{
    bool bracketed = *s == '[';
    const char *letters = bracketed ? DIGITS "abcdefABCDEF:." : DIGITS LETTERS "._-";
    struct in6_addr six;
    s += bracketed;
    size_t n = strspn(s, letters);
    if (n == 0 || *s == '-' || !take(out->host, sizeof out->host, s, n))
        return NULL;
    if (!bracketed)
        return s + n;
    return s[n] == ']' && inet_pton(AF_INET6, out->host, &six) == 1 ? s + n + 1 : NULL;
}

static const char *take_port(const char *s, struct base_url *out)
{
    out->port = out->tls ? 443 : 80;
    if (*s != ':')
        return s;
    size_t n = strspn(s + 1, DIGITS);
    long port = n > 0 && n < 6 ? strtol(s + 1, NULL, 10) : 0;
    if (port < 1 || port > 65535)
        return NULL;
    out->port = (int)port;
    return s + 1 + n;
}

static bool take_path(const char *s, struct base_url *out)
{
    size_t n = strlen(s);
    while (n > 0 && s[n - 1] == '/')
        n--;
    if (!take(out->path, sizeof out->path, s, n))
        return false;
    if (n > 0 && (*s != '/' || strspn(out->path, DIGITS LETTERS "._~/-") != n))
        return false;
    for (const char *p = strchr(out->path, '/'); p; p = strchr(p + 1, '/')) {
        size_t segment = strcspn(p + 1, "/");
        bool dots = segment <= 2 && strspn(p + 1, ".") >= segment;
        if (dots) /* also an empty one */
            return false;
    }
    return true;
}

bool base_url_parse(const char *text, struct base_url *out, struct err *e)
{
    *out = (struct base_url){0};
    out->tls = strncasecmp(text, "https://", 8) == 0;
    if (!out->tls && strncasecmp(text, "http://", 7) != 0)
        return bad(e, "the scheme is another");
    const char *s = take_host(text + (out->tls ? 8 : 7), out);
    if (!s)
        return bad(e, "the host is none");
    s = take_port(s, out);
    if (!s || (*s && *s != '/'))
        return bad(e, "what follows the host is no port or path");
    return take_path(s, out) ||
           bad(e, "the path may hold letters, digits, '.', '_', '~' and '-', no empty or dot "
                  "segment");
}
