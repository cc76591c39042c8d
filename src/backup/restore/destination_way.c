#include "backup/restore/destination_way.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

bool destination_refuse(const struct destination_rules *r, struct err *e, const char *why)
{
    return err_field(e, ERR_BAD_REQUEST, r->field, "%s %s", r->field, why);
}

/* Without double and trailing slashes; false on "." and "..", which no honest caller needs. */
static bool tidy(const char *path, char *out, size_t size)
{
    size_t n = 0;
    if (strlen(path) >= size)
        return false;
    while (*path) {
        path += strspn(path, "/");
        size_t k = strcspn(path, "/");
        if (k == 0)
            break;
        if ((k == 1 && path[0] == '.') || (k == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        out[n++] = '/';
        memcpy(out + n, path, k);
        n += k;
        path += k;
    }
    out[n] = '\0';
    return true;
}

static bool within(const char *path, const char *above)
{
    size_t n = strlen(above);
    return strncmp(path, above, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The longest root that the path is in. */
static bool find_root(struct destination_way *w, const char *path)
{
    const char *at = w->rules->roots ? w->rules->roots : "";
    bool found = false;
    while (*at) {
        size_t n = strcspn(at, ":");
        AUTO_FREE char *raw = mem_strndup(at, n);
        char root[PATH_MAX];
        at += n + (at[n] == ':');
        if (!raw || raw[0] != '/' || !tidy(raw, root, sizeof root) || !within(path, root))
            continue;
        if (found && strlen(root) <= strlen(w->root))
            continue;
        (void)snprintf(w->root, sizeof w->root, "%s", root);
        found = true;
    }
    return found;
}

static bool refuse_outside(const struct destination_rules *r, struct err *e)
{
    char list[256] = "";
    size_t n = 0;
    for (const char *at = r->roots ? r->roots : ""; *at && n + 1 < sizeof list;) {
        size_t k = strcspn(at, ":");
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s", n ? ", " : "", (int)k, at);
        at += k + (at[k] == ':');
    }
    return err_field(e, ERR_BAD_REQUEST, r->field, "%s must be within %s", r->field, list);
}

bool destination_way(struct destination_way *w, const struct destination_rules *r, const char *path,
                     char *tidied, size_t size, struct err *e)
{
    *w = (struct destination_way){.rules = r};
    if (path[0] != '/')
        return destination_refuse(r, e, "must be an absolute path");
    if (!tidy(path, tidied, size))
        return destination_refuse(
            r, e, "must not hold \".\" or \"..\" and be shorter than a path may be");
    if (!find_root(w, tidied))
        return refuse_outside(r, e);
    (void)snprintf(w->text, sizeof w->text, "%s", tidied + strlen(w->root));
    char *save = NULL;
    for (char *p = strtok_r(w->text, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
        if (w->count == DESTINATION_PARTS || strlen(p) > NAME_MAX)
            return destination_refuse(r, e, "is too deep, or a name in it is too long");
        w->part[w->count++] = p;
    }
    return true;
}
