#include "backup/restore/asked_paths.h"

#include "base/mem.h"

#include <string.h>

static const char beneath[] = "pp:"; /* borg's pattern for a path and all in it (borg docs) */

static const char *path_of(const char *pattern)
{
    return pattern + sizeof beneath - 1;
}

bool asked_paths_add(struct asked_paths *a, const char *path)
{
    size_t i = 0;
    while (a->patterns[i])
        i++;
    if (i < LIMIT_LIST)
        a->patterns[i] = mem_printf("%s%s", beneath, path);
    return i < LIMIT_LIST && a->patterns[i];
}

static bool holds(const char *asked, const char *path)
{
    asked += strspn(asked, "/");
    size_t n = strlen(asked);
    while (n > 0 && asked[n - 1] == '/')
        n--;
    return strncmp(path, asked, n) == 0 && (path[n] == '/' || path[n] == '\0' || n == 0);
}

void asked_paths_note(struct asked_paths *a, const char *path)
{
    for (size_t i = 0; a->patterns[i]; i++)
        a->found[i] = a->found[i] || holds(path_of(a->patterns[i]), path);
}

bool asked_paths_all_found(const struct asked_paths *a, const char *so, struct err *e)
{
    for (size_t i = 0; a->patterns[i]; i++)
        if (!a->found[i])
            return err_field(e, ERR_NOT_FOUND, "paths",
                             "the archive holds nothing at \"%.256s\"; %s", path_of(a->patterns[i]),
                             so);
    return true;
}

void asked_paths_done(struct asked_paths *a)
{
    for (char **p = a->patterns; *p; p++)
        mem_free(*p);
    *a = (struct asked_paths){0};
}
