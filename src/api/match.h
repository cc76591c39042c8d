/* match: which row of a route table a path means. Pure. */
#ifndef API_MATCH_H
#define API_MATCH_H

#include "api/route.h"
#include "http/http.h"

#include <stddef.h>

/* The row of a path and method, filling the call's path values; NULL when there is none, then
 * `allowed` has a bit (1 << http_method) for each method the path does have. HEAD is GET. */
const struct route *route_match(const struct route *rows, size_t count, enum http_method method,
                                const char *path, struct call *c, unsigned *allowed);

#endif
