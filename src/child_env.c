#include "child_env.h"

#include "base/mem.h"

#include <string.h>

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *value_of(char **env, const char *name, size_t n)
{
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static bool add(struct child_env *ce, size_t *n, const char *name, size_t name_len,
                const char *value)
{
    if (!value || *n == CHILD_ENVS)
        return true;
    ce->list[*n] = mem_printf("%.*s=%s", (int)name_len, name, value);
    ce->entries[*n] = ce->list[*n];
    return ce->list[(*n)++] != NULL;
}

static bool is_base(const char *name, size_t n)
{
    static const char *const base[] = {"PATH", "HOME", "LC_ALL", "TZ", "BORG_BASE_DIR"};
    for (size_t i = 0; i < sizeof base / sizeof *base; i++)
        if (strlen(base[i]) == n && strncmp(base[i], name, n) == 0)
            return true;
    return false;
}

bool child_env_build(struct child_env *ce, const struct config *c, char **environ_)
{
    *ce = (struct child_env){0};
    const char *path = value_of(environ_, "PATH", 4);
    const char *home = value_of(environ_, "HOME", 4);
    const char *borg_base = c->borg_base_dir[0] ? c->borg_base_dir : NULL;
    size_t n = 0;
    bool whole = add(ce, &n, "PATH", 4, path && *path ? path : default_path) &&
                 add(ce, &n, "HOME", 4, home && *home ? home : "/root") &&
                 add(ce, &n, "LC_ALL", 6, "C.UTF-8") && add(ce, &n, "BORG_BASE_DIR", 13, borg_base);
    for (const char *at = c->child_env; whole && *at;) {
        size_t len = strcspn(at, ",");
        if (len && !is_base(at, len))
            whole = add(ce, &n, at, len, value_of(environ_, at, len));
        at += len + (at[len] == ',');
    }
    ce->path = ce->list[0] ? ce->list[0] + strlen("PATH=") : default_path;
    return whole;
}

void child_env_done(struct child_env *ce)
{
    for (size_t i = 0; i < CHILD_ENVS; i++)
        mem_free(ce->list[i]);
    *ce = (struct child_env){0};
}
