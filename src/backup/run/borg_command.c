#include "backup/run/borg_command.h"

#include "backup/control/shim_args.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

struct list {
    struct arena *a;
    const char **v;
    size_t n, max;
    bool failed;
};

static bool list_init(struct list *l, struct arena *a, size_t max)
{
    *l = (struct list){.a = a, .max = max};
    l->v = arena_alloc(a, max * sizeof *l->v);
    l->failed = !l->v;
    return l->v != NULL;
}

static void push(struct list *l, const char *s)
{
    if (!s || l->n + 1 >= l->max) {
        l->failed = true;
        return;
    }
    l->v[l->n++] = s;
    l->v[l->n] = NULL;
}

static void push_all(struct list *l, const char *const *v)
{
    for (; v && *v; v++)
        push(l, *v);
}

static const char *const *result(struct list *l, struct err *e)
{
    if (!l->failed)
        return l->v;
    (void)err_set(e, ERR_NO_MEMORY, "no room for borg's command line");
    return NULL;
}

static size_t count(const char *const *v)
{
    size_t n = 0;
    while (v && v[n])
        n++;
    return n;
}

/* Braces of a name are no placeholders of borg's: each stands twice. */
static const char *plain_name(struct arena *a, const char *name)
{
    char *out = arena_alloc(a, 2 * strlen(name) + 1), *to = out;
    for (; out && *name; name++) {
        if (*name == '{' || *name == '}')
            *to++ = *name;
        *to++ = *name;
    }
    return out;
}

/* The target; NULL when memory is gone. */
static const char *target(struct arena *a, const struct borg_command *spec)
{
    if (!spec->archive)
        return spec->repo->location;
    const char *name = plain_name(a, spec->archive);
    return name ? arena_printf(a, "%s::%s", spec->repo->location, name) : NULL;
}

const char *const *borg_command_argv(struct arena *a, const struct borg_command *spec,
                                     struct err *e)
{
    struct list l;
    if (!list_init(&l, a, CHILD_ARGS + count(spec->tail)))
        return result(&l, e);
    push(&l, spec->borg);
    push(&l, "--log-json");
    push_all(&l, spec->verb);
    for (const char *const *o = spec->repo->options; o && *o; o++) {
        if (strcmp(*o, "--lock-wait") == 0 && o[1])
            o++; /* ours stands for it */
        else
            push(&l, *o);
    }
    push(&l, "--lock-wait");
    push(&l, arena_printf(a, "%d", spec->lock_wait_s ? spec->lock_wait_s : ARCHIVE_LOCK_WAIT_S));
    push(&l, target(a, spec));
    push_all(&l, spec->tail);
    return result(&l, e);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

static void set(struct list *l, const char *entry)
{
    for (size_t i = 0; entry && i < l->n; i++) /* push tells of a missing one */
        if (same_name(entry, l->v[i])) {
            l->v[i] = entry;
            return;
        }
    push(l, entry);
}

static void set_all(struct list *l, const char *const *v)
{
    for (; v && *v; v++)
        set(l, *v);
}

static void drop(struct list *l, const char *name)
{
    size_t k = strlen(name);
    size_t to = 0;
    for (size_t i = 0; i < l->n; i++)
        if (strncmp(l->v[i], name, k) != 0 || l->v[i][k] != '=')
            l->v[to++] = l->v[i];
    l->n = to;
    l->v[to] = NULL;
}

static void leave_asking(struct list *l)
{
    static const char *const sources[] = {"BORG_PASSPHRASE", "BORG_PASSCOMMAND",
                                          "BORG_PASSPHRASE_FD", "BORG_NEW_PASSPHRASE"};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        drop(l, sources[i]);
    set(l, "BORG_DISPLAY_PASSPHRASE=no");
    set(l, "SSH_ASKPASS=/bin/false");
    set(l, "SSH_ASKPASS_REQUIRE=force");
}

/* The same ssh options as the shim adds in a job; what is not ssh stays as it is. */
static void set_rsh(struct list *l)
{
    const char *rsh = NULL;
    for (size_t i = 0; i < l->n; i++)
        if (strncmp(l->v[i], "BORG_RSH=", 9) == 0)
            rsh = l->v[i] + 9;
    AUTO_FREE char *strict = shim_args_rsh(rsh);
    if (strict)
        set(l, arena_printf(l->a, "BORG_RSH=%s", strict));
}

const char *const *borg_command_env(struct arena *a, const struct borg_command *spec, bool by_pipe,
                                    struct err *e)
{
    struct list l;
    if (!list_init(&l, a, 2 * CHILD_ENVS))
        return result(&l, e);
    if (!shim_args_mounts(spec->verb[0]))
        set(&l, "BORG_FUSE_IMPL=none");
    set_all(&l, spec->env);
    set_all(&l, spec->repo->env);
    set(&l, "TZ=UTC");
    if (spec->repo->remote)
        set_rsh(&l);
    if (!l.failed && by_pipe) { /* borg looks at the pipe last */
        drop(&l, "BORG_PASSPHRASE");
        drop(&l, "BORG_PASSCOMMAND");
        set(&l, "BORG_PASSPHRASE_FD=3");
    }
    if (!l.failed && spec->asks)
        leave_asking(&l);
    return result(&l, e);
}
