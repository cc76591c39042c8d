#include "api/match.h"

#include <string.h>

/* Segment by segment; "{…}" takes any segment that is not empty. */
static bool path_matches(const char *pattern, const char *path, struct call *c)
{
    size_t values = 0;
    c->path_values[0] = NULL;
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t n = strcspn(path, "/");
        if (n == 0 || values == CALL_PATH_VALUES)
            return false;
        c->path_values[values] = path;
        c->path_lengths[values++] = n;
        path += n;
        pattern = strchr(pattern, '}') + 1;
    }
    return *pattern == '\0' && *path == '\0';
}

const struct route *route_match(const struct route *rows, size_t count, enum http_method method,
                                const char *path, struct call *c, unsigned *allowed)
{
    enum http_method as = method == HTTP_M_HEAD ? HTTP_M_GET : method;
    *allowed = 0;
    for (size_t i = 0; i < count; i++) {
        if (!path_matches(rows[i].pattern, path, c))
            continue;
        if (rows[i].method == as)
            return &rows[i];
        *allowed |= 1U << rows[i].method;
    }
    if (*allowed & 1U << HTTP_M_GET)
        *allowed |= 1U << HTTP_M_HEAD;
    return NULL;
}
