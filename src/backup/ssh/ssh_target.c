#include "backup/ssh/ssh_target.h"

#include "backup/control/shim_args.h"
#include "base/buf.h"
#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct target {
    const char *host; /* with user@, brackets removed */
    const char *port; /* or NULL */
};

struct words {
    struct arena *a;
    const char **v;
    size_t n;
    bool failed;
};

static void push(struct words *w, const char *word)
{
    if (!word || w->n + 1 >= CHILD_ARGS) {
        w->failed = true;
        return;
    }
    w->v[w->n++] = word;
    w->v[w->n] = NULL;
}

/* One word of `s` by a shell's rules of quoting, without any expansion; `*s` moves behind it. */
static const char *next_word(struct arena *a, const char **s)
{
    const char *p = *s;
    char *out = arena_alloc(a, strlen(p) + 1);
    size_t n = 0;
    char quote = '\0';
    for (; out && *p && (quote || !strchr(" \t\r\n", *p)); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? '\0' : *p;
        } else if (*p == '\\' && quote != '\'' && p[1] && (!quote || p[1] == '"' || p[1] == '\\')) {
            out[n++] = *++p;
        } else {
            out[n++] = *p;
        }
    }
    *s = p;
    return quote ? NULL : out; /* an open quote is no command line */
}

bool ssh_target_is_remote(const char *location)
{
    if (strncmp(location, "ssh://", 6) == 0)
        return true;
    const char *colon = strchr(location, ':');
    const char *slash = strchr(location, '/');
    if (!colon || (slash && slash < colon) || colon == location)
        return false;
    return strncmp(location, "file://", 7) != 0;
}

/* "user@[::1]:22" and the like: what stands between the scheme and the path. */
static bool split_host(struct arena *a, const char *s, size_t n, bool with_port, struct target *t)
{
    size_t user = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '@')
            user = i + 1;
    const char *host = s + user;
    size_t len = n - user;
    const char *rest = host + len;
    if (len > 0 && host[0] == '[') {
        const char *end = memchr(host, ']', len);
        if (!end)
            return false;
        rest = end + 1;
        host++;
        len = (size_t)(end - host);
    } else if (with_port) {
        const char *colon = memchr(host, ':', len);
        rest = colon ? colon : rest;
        len = (size_t)(rest - host);
    }
    size_t more = (size_t)(s + n - rest);
    if (len == 0 || (more > 0 && (!with_port || rest[0] != ':' || more > 6)))
        return false;
    if (more > 1) {
        t->port = arena_strndup(a, rest + 1, more - 1);
        if (!t->port || t->port[strspn(t->port, "0123456789")] != '\0')
            return false;
    }
    t->host = arena_printf(a, "%.*s%.*s", (int)user, s, (int)len, host);
    return t->host && s[0] != '-' && host[0] != '-';
}

static bool parse(struct arena *a, const char *location, struct target *t)
{
    if (strncmp(location, "ssh://", 6) == 0) {
        const char *s = location + 6;
        return split_host(a, s, strcspn(s, "/"), true, t);
    }
    if (!ssh_target_is_remote(location))
        return false;
    const char *bracket = strchr(location, ']');
    const char *colon =
        strchr(bracket && location[strcspn(location, "[:")] == '[' ? bracket : location, ':');
    return colon && split_host(a, location, (size_t)(colon - location), false, t);
}

bool ssh_target_host(const char *location, char *out, size_t size)
{
    struct arena a;
    struct target t = {0};
    arena_init(&a, LIMIT_HEAD);
    bool ok = parse(&a, location, &t);
    const char *at = ok ? strrchr(t.host, '@') : NULL;
    int n = ok ? snprintf(out, size, "%s", at ? at + 1 : t.host) : 0;
    arena_done(&a);
    return ok && n > 0 && (size_t)n < size;
}

const char *const *ssh_target_argv(struct arena *a, const char *location, const char *rsh,
                                   bool interactive, struct err *e)
{
    struct target t = {0};
    if (!parse(a, location, &t)) {
        (void)err_set(e, ERR_BAD_REQUEST, "the repository's location names no usable ssh host");
        return NULL;
    }
    struct words w = {.a = a, .v = arena_alloc(a, CHILD_ARGS * sizeof *w.v)};
    if (!w.v) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for ssh's command line");
        return NULL;
    }
    AUTO_FREE char *strict = shim_args_rsh(rsh);
    const char *s = strict ? strict : rsh;
    for (s += strspn(s, " \t\r\n"); *s && !w.failed; s += strspn(s, " \t\r\n"))
        push(&w, next_word(a, &s));
    if (!interactive) {
        push(&w, "-o");
        push(&w, "BatchMode=yes");
    }
    push(&w, "-T");
    if (t.port) {
        push(&w, "-p");
        push(&w, t.port);
    }
    push(&w, t.host);
    push(&w, "true");
    if (w.failed) {
        (void)err_set(e, ERR_BAD_REQUEST, "the ssh command of the repository cannot be understood");
        return NULL;
    }
    return w.v;
}

/* ---- one key alone ---- */

static bool names_identity(const char *option)
{
    option += strspn(option, " \t");
    return strncasecmp(option, "IdentityFile", 12) == 0 ||
           strncasecmp(option, "CertificateFile", 15) == 0;
}

/* How many words from v on give ssh an identity of its own: 0, 1 or 2. */
static size_t identity_words(const char *const *v)
{
    const char *w = v[0];
    if (strcmp(w, "-i") == 0)
        return v[1] ? 2 : 1;
    if (strcmp(w, "-o") == 0)
        return v[1] && names_identity(v[1]) ? 2 : 0;
    return strncmp(w, "-i", 2) == 0 || (strncmp(w, "-o", 2) == 0 && names_identity(w + 2));
}

/* The word between quotes; one quote in it is written between others. */
static void put_quoted(struct buf *b, const char *word)
{
    (void)buf_putc(b, '\'');
    for (; *word; word++)
        (void)(*word == '\'' ? buf_puts(b, "'\"'\"'") : buf_putc(b, *word));
    (void)buf_putc(b, '\'');
}

static bool is_ssh(const char *program)
{
    const char *slash = strrchr(program, '/');
    return strcmp(slash ? slash + 1 : program, "ssh") == 0;
}

const char *ssh_target_with_key(struct arena *a, const char *rsh, const char *key, struct err *e)
{
    struct words w = {.a = a, .v = arena_alloc(a, CHILD_ARGS * sizeof *w.v)};
    const char *s = rsh && *rsh ? rsh : "ssh";
    w.failed = !w.v;
    for (s += strspn(s, " \t\r\n"); *s && !w.failed; s += strspn(s, " \t\r\n"))
        push(&w, next_word(a, &s));
    if (w.failed || w.n == 0 || !is_ssh(w.v[0])) {
        (void)err_set(e, ERR_BAD_REQUEST, "the ssh command of the repository is no plain ssh");
        return NULL;
    }
    struct buf b;
    buf_init(&b, CHILD_ENV_BYTES);
    for (size_t i = 0; i < w.n;) {
        size_t skip = i ? identity_words(w.v + i) : 0;
        if (!skip) {
            put_quoted(&b, w.v[i]);
            (void)buf_putc(&b, ' ');
        }
        i += skip ? skip : 1;
    }
    (void)buf_puts(&b, "-o UpdateHostKeys=no -i "); /* a test writes into no file */
    put_quoted(&b, key);
    const char *out = b.failed ? NULL : arena_strndup(a, buf_str(&b), b.n);
    buf_done(&b);
    if (!out)
        (void)err_set(e, ERR_NO_MEMORY, "no memory for ssh's command line");
    return out;
}
