/* json: reading JSON, bounded. A thin layer over jansson: depth limit, duplicate keys refused,
 * whole-text parse, getters that never fail loudly. Pure; any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Makes jansson allocate through mem and wipe what it gives back: trees and the parser's own
 * buffers hold the secrets of requests. Call once, before any JSON is made. */
void json_use_wiped_memory(void);

/* Parses exactly one JSON value (any type); the caller owns it (json_decref). On failure NULL and
 * ERR_INVALID_JSON with line and column, or (after json_use_wiped_memory) ERR_NO_MEMORY. Depth is
 * bounded by LIMIT_JSON_DEPTH. */
json_t *json_parse(const char *text, size_t n, struct err *e);

/* Member of an object with the asked type, else the fallback. `o` may be NULL. Strings are borrowed
 * from the tree. */
const char *json_get_str(const json_t *o, const char *key, const char *fallback);
int64_t json_get_int(const json_t *o, const char *key, int64_t fallback);
double json_get_num(const json_t *o, const char *key, double fallback);
bool json_get_bool(const json_t *o, const char *key, bool fallback);

/* Appends v as compact JSON text; false (and out->failed) when it does not fit. */
bool json_write(const json_t *v, struct buf *out);

#endif
