/* query: percent-encoding and query strings, read strictly. Pure but for the arena. */
#ifndef API_QUERY_H
#define API_QUERY_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct query_arg {
    const char *name, *value;
};

/* The n bytes at s decoded, in the arena; with `plus`, '+' is a space. NULL and ERR_BAD_REQUEST for
 * a '%' without two hex digits, for an encoded NUL, and for what is not UTF-8 afterwards. */
char *query_decode(struct arena *a, const char *s, size_t n, bool plus, struct err *e);

/* "a=1&b=2" → args, in order; a name without '=' has the value "". False and ERR_BAD_REQUEST, with
 * the name as the field, for a name that comes twice, an empty name, more than `max` of them, and
 * what query_decode refuses. Empty parts ("a=1&&b=2") are skipped. */
bool query_parse(struct arena *a, const char *query, struct query_arg *args, size_t max,
                 size_t *count, struct err *e);

#endif
