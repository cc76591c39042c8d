/* idempotency: the Idempotency-Key of a POST that starts work.
 *
 * Same key and same request → the job that was made; same key and another request → 422; a key
 * whose first request is not answered yet → 409. Keys belong to the identity that sent them. The
 * fingerprint is a keyed hash of method, path and parameters, without secrets. Loop's thread only.
 */
#ifndef API_IDEMPOTENCY_H
#define API_IDEMPOTENCY_H

#include "api/call.h"

/* Without a key, calls `go` at once. With one, answers the call itself when the key is known (also
 * later), else calls `go` (then from a later turn) with c->idempotency_key set to
 * the one for the job_spec. */
void call_idempotent(struct call *c, void (*go)(struct call *c));

/* What goes into the job_spec beside the key; NULL without one. */
const char *call_fingerprint(const struct call *c);

/* The call is answered: its key is no longer in hand. For call.c. */
void idempotency_over(struct call *c);

#endif
