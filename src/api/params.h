/* params: what a request says, checked against its row's parameter list. */
#ifndef API_PARAMS_H
#define API_PARAMS_H

#include "api/call.h"
#include "base/err.h"

#include <stdbool.h>

/* The Prefer and Idempotency-Key headers. */
bool params_headers(struct call *c, struct err *e);
/* Parses the body as a JSON object into c->body. */
bool params_body(struct call *c, struct err *e);
/* Path, query and body against the row: fills c->params, c->secrets and c->ignored. All faults are
 * listed in c->faults; `e` is the first of them. Needs params_body before. */
bool params_check(struct call *c, struct err *e);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63}, the whole string. */
bool params_is_label(const char *s);

#endif
