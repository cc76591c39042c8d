/* What a backup target may be. */
#include "aio/config/config_file.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define DOCKER_FOLDER "/var/lib/docker"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool aio_target_equal(const struct aio_target *a, const struct aio_target *b)
{
    return strcmp(a->host_location, b->host_location) == 0 &&
           strcmp(a->remote_repo, b->remote_repo) == 0;
}

const char *aio_target_mode(const struct aio_target *t)
{
    if (t->remote_repo[0]) /* as AIO's borgbackup container, when both are set */
        return "remote";
    return t->host_location[0] ? "local" : "";
}

static bool clean(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            return false;
    return utf8_valid(s, n);
}

static bool has_part(const char *path, const char *part)
{
    for (const char *p = path; *p;) {
        p += strspn(p, "/:");
        size_t n = strcspn(p, "/:");
        if (n == strlen(part) && memcmp(p, part, n) == 0)
            return true;
        p += n;
    }
    return false;
}

static bool below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    while (n > 0 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* ---- a place on the host ---- */

static const char *location_fault(const char *s)
{
    if (strcmp(s, AIO_BACKUP_VOLUME) == 0)
        return NULL;
    size_t n = strlen(s);
    if (s[0] != '/' || n < 2 || s[n - 1] == '/')
        return "must be an absolute path without a slash at its end, or the "
               "volume " AIO_BACKUP_VOLUME;
    if (strchr(s, ':'))
        return "must hold no colon: Docker could not mount it";
    if (!clean(s))
        return "must be valid UTF-8 without control characters";
    if (strstr(s, "//") || has_part(s, ".") || has_part(s, ".."))
        return "must hold no '//', '.' or '..'";
    if (below(s, DOCKER_FOLDER))
        return "must not lie in Docker's own folder";
    return NULL;
}

bool aio_target_apart(const struct aio_target *t, const char *datadir, struct err *e)
{
    if (datadir[0] != '/' || t->host_location[0] != '/' || !below(t->host_location, datadir))
        return true;
    return err_field(e, ERR_BAD_REQUEST, "host_location",
                     "must not lie in Nextcloud's data folder: restoring would delete it");
}

/* ---- a repository over ssh ---- */

static bool is_user(const char *s, size_t n)
{
    return n > 0 && s[0] != '-' && strspn(s, LETTERS "._-+") >= n;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(const char *s, size_t n)
{
    if (n > 3 && s[0] == '[')
        return strspn(s + 1, "0123456789abcdefABCDEF:.") == n - 2 && s[n - 1] == ']';
    return n > 0 && s[0] != '-' && strspn(s, LETTERS "._-") >= n;
}

static bool is_port(const char *s, size_t n)
{
    if (n < 1 || n > 5 || strspn(s, "0123456789") < n)
        return false;
    long port = strtol(s, NULL, 10);
    return port >= 1 && port <= 65535;
}

/* user@host[:port]/path */
static bool is_url(const char *s)
{
    size_t end = strcspn(s, "/"), user = strcspn(s, "@");
    if (user >= end || !s[end] || !s[end + 1])
        return false;
    const char *host = s + user + 1;
    size_t n = end - user - 1;
    const char *close = n > 0 && host[0] == '[' ? memchr(host, ']', n) : NULL;
    const char *from = close ? close : host;
    const char *colon = memchr(from, ':', n - (size_t)(from - host));
    size_t name = colon ? (size_t)(colon - host) : n;
    return is_user(s, user) && is_host(host, name) && (!colon || is_port(colon + 1, n - name - 1));
}

/* user@host:path */
static bool is_short(const char *s)
{
    size_t user = strcspn(s, "@");
    if (!s[user])
        return false;
    const char *host = s + user + 1;
    const char *close = host[0] == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(close ? close : host, ':');
    return colon && colon[1] && colon[1] != '-' && is_user(s, user) &&
           is_host(host, (size_t)(colon - host));
}

static const char *remote_fault(const char *s)
{
    if (!clean(s))
        return "must be valid UTF-8 without control characters";
    bool url = strncmp(s, "ssh://", 6) == 0;
    if (!(url ? is_url(s + 6) : is_short(s)))
        return "must be ssh://user@host:port/path or user@host:path, without a password";
    if (strpbrk(s, "{}"))
        return "must hold no braces: borg would put something else in their place";
    if (has_part(s, ".."))
        return "must hold no '..'";
    return s[strlen(s) - 1] == ' ' ? "must not end with a blank" : NULL;
}

bool aio_target_valid(const struct aio_target *t, struct err *e)
{
    bool remote = t->remote_repo[0] != '\0';
    if (remote && t->host_location[0])
        return err_field(e, ERR_BAD_REQUEST, "remote_repo",
                         "give host_location or remote_repo, not both");
    if (!remote && !t->host_location[0])
        return err_field(e, ERR_BAD_REQUEST, "host_location", "give host_location or remote_repo");
    const char *fault = remote ? remote_fault(t->remote_repo) : location_fault(t->host_location);
    return !fault ||
           err_field(e, ERR_BAD_REQUEST, remote ? "remote_repo" : "host_location", "%s", fault);
}
