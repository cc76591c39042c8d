/* query: percent-encoding and query strings, read strictly. Pure but for the arena. */
#ifndef API_QUERY_H
#define API_QUERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct query_arg {
    const char *name, *value;
    bool text; /* the value is UTF-8; other bytes are for parameters that take bytes */
};

/* The n bytes at s decoded, in the arena; with `plus`, '+' is a space. NULL and ERR_BAD_REQUEST for
 * a '%' without two hex digits and for an encoded NUL. */
char *query_decode_bytes(struct arena *a, const char *s, size_t n, bool plus, struct err *e);
/* The same, also refusing what is not UTF-8 afterwards. */
char *query_decode(struct arena *a, const char *s, size_t n, bool plus, struct err *e);

/* Appends `bytes` as UTF-8 text: '%', control characters and what is no UTF-8 as %XX, the rest as
 * it is. query_decode_bytes gives the bytes back. */
void query_encode(struct buf *out, const char *bytes);

/* "a=1&b=2" → args, in order; a name without '=' has the value "". False and ERR_BAD_REQUEST, with
 * the name as the field, for a name that comes twice, an empty name, more than `max` of them, what
 * query_decode refuses in a name and query_decode_bytes in a value. Empty parts ("a=1&&b=2") are
 * skipped. */
bool query_parse(struct arena *a, const char *query, struct query_arg *args, size_t max,
                 size_t *count, struct err *e);

#endif
