/* metrics_internal: shared by metrics.c (counting) and metrics_text.c (showing). */
#ifndef API_METRICS_INTERNAL_H
#define API_METRICS_INTERNAL_H

#include "api/metrics.h"
#include "limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { METRICS_ROUTES = 128 }; /* rows of the route table, and one for "none" */

struct job_series {
    char type[32], target[LIMIT_LABEL + 1];
    uint64_t ended[JOB_STATES]; /* since the start */
    bool known, succeeded;      /* the last one that ended */
    double seconds;
    int64_t ended_ms, success_ms;
};

struct metrics {
    uv_timer_t timer;
    uint64_t tick_ns, lag_ns, lag_max_ns;
    int codes[METRICS_CODES]; /* status codes seen, in the order of their first time */
    size_t code_count;
    uint32_t limited[METRICS_ROUTES];
    uint64_t requests[METRICS_ROUTES][METRICS_CODES];
    struct job_series *series;
    size_t series_count, series_room;
};

/* Where a route's counters are; the last place is for none. */
size_t metrics_place(const struct route *r);

#endif
