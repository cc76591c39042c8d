#include "backup/repo/resolve.h"
#include "base/buf.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool resolve_find(const char *dir, const char *label, char *out, size_t size, struct err *e)
{
    static const char *const suffixes[] = {"yaml", "yml"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct stat st;
        int n = snprintf(out, size, "%s/%s.%s", dir, label, suffixes[i]);
        if (n > 0 && (size_t)n < size && stat(out, &st) == 0 && S_ISREG(st.st_mode))
            return true;
    }
    if (size > 0)
        out[0] = '\0';
    return err_set(e, ERR_NOT_FOUND, "Config %s not found", label);
}

/* A path without "//", "/./" and a slash at its end. */
static void put_path(struct buf *b, const char *p)
{
    size_t from = b->n;
    while (*p) {
        size_t n = strcspn(p, "/");
        if (n > 0 && !(n == 1 && p[0] == '.')) {
            (void)buf_putc(b, '/');
            (void)buf_append(b, p, n);
        }
        p += n + (p[n] == '/');
    }
    if (b->n == from)
        (void)buf_putc(b, '/');
}

/* The path below an ssh host: "/./x" and "/~/x" both mean the login's own directory. */
static void put_remote_path(struct buf *b, const char *p)
{
    if (strncmp(p, "/./", 3) == 0 || strncmp(p, "/~/", 3) == 0) {
        (void)buf_puts(b, "/.");
        p += 3;
    }
    put_path(b, p);
}

/* "User@HOST:22" → "User@host": names of hosts know no case, and 22 is what ssh takes anyway. */
static void put_host(struct buf *b, const char *s, size_t n)
{
    size_t user = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '@')
            user = i + 1;
    if (n > 3 && strncmp(s + n - 3, ":22", 3) == 0)
        n -= 3;
    (void)buf_append(b, s, user);
    for (size_t i = user; i < n; i++)
        (void)buf_putc(b, s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i]);
}

char *resolve_normal(const char *location)
{
    struct buf b;
    buf_init(&b, LIMIT_HEAD);
    const char *slash = strchr(location, '/');
    const char *bracket = location[strcspn(location, "[/:")] == '[' ? strchr(location, ']') : NULL;
    const char *colon = strchr(bracket ? bracket : location, ':');
    if (strncmp(location, "ssh://", 6) == 0) {
        size_t n = strcspn(location + 6, "/");
        (void)buf_puts(&b, "ssh://");
        put_host(&b, location + 6, n);
        put_remote_path(&b, location + 6 + n);
    } else if (strncmp(location, "file://", 7) == 0) {
        put_path(&b, location + 7);
    } else if (colon && colon > location && (!slash || colon < slash)) {
        (void)buf_puts(&b, "ssh://");
        put_host(&b, location, (size_t)(colon - location));
        if (colon[1] == '/') {
            put_path(&b, colon + 1);
        } else { /* below the login's own directory */
            (void)buf_puts(&b, "/.");
            put_path(&b, colon[1] == '~' && colon[2] == '/' ? colon + 3 : colon + 1);
        }
    } else {
        put_path(&b, location);
    }
    char *text = buf_take(&b, NULL);
    buf_done(&b);
    return text;
}

void resolve_shown(const char *location, char *out, size_t size)
{
    const char *user = strstr(location, "://");
    user = user ? user + 3 : location;
    const char *at = strpbrk(user, "@/");
    const char *colon = memchr(user, ':', at && *at == '@' ? (size_t)(at - user) : 0);
    if (colon)
        (void)snprintf(out, size, "%.*s:***%s", (int)(colon - location), location, at);
    else
        (void)snprintf(out, size, "%s", location);
}
