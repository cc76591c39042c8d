/* ratelimit: how often one identity may call one route. Exact: at most `max` calls in any `window`
 * (the times of the calls are kept). Bounded: RATE_TABLE pairs of identity and route; the one that
 * was quiet longest gives way. Loop's thread only. */
#ifndef API_RATELIMIT_H
#define API_RATELIMIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ratelimit;

/* `scale` multiplies what each route allows (at least one call, at most RATE_CALLS). */
struct ratelimit *ratelimit_new(double scale);
void ratelimit_free(struct ratelimit *r); /* NULL is a no-op */

struct rate_answer {
    bool allowed;
    unsigned max, window_s;
    unsigned remaining; /* calls left now */
    unsigned reset_s;   /* until one more is allowed (refused) or all are (allowed) */
};

/* Counts a call, unless it is refused. `route` is compared by its address. Without memory the call
 * is allowed. */
struct rate_answer ratelimit_take(struct ratelimit *r, const char *identity, const void *route,
                                  unsigned max, unsigned window_s, uint64_t now_ms);
/* Refused calls since the start. */
uint64_t ratelimit_blocked(const struct ratelimit *r);

#endif
