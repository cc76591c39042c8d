/* param_value: one value against its row of a parameter list. Pure. */
#ifndef API_PARAM_VALUE_H
#define API_PARAM_VALUE_H

#include "api/route.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* A value of path or query, which is text: made into the JSON value of the row's type, or NULL and
 * `e`, whose message says what was expected. */
json_t *param_from_text(const struct param *p, const char *text, struct err *e);

bool param_bytes_ok(const struct param *p, const char *bytes, struct err *e);

/* A value of the body. Secrets are only judged here, not copied. */
bool param_json_ok(const struct param *p, const json_t *v, struct err *e);

#endif
