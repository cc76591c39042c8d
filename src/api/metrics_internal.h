/* metrics_internal: shared by metrics.c (counting), metrics_text.c (showing) and metrics_aio.c. */
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

struct aio_seen {
    int64_t backup_ms; /* Unix time; 0: none is known */
    int64_t stack_ms;  /* … */
    bool stack_up;
};

struct lock_seen {
    char label[LIMIT_LABEL + 1];
    bool held;
    double at; /* Unix time */
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
    struct aio_seen aio;
    struct lock_seen *locks;
    size_t lock_count;
};

/* ---- metrics_text.c ---- */
void metrics_head(struct buf *b, bool open, const char *name, const char *type, const char *help);
/* ---- metrics_aio.c ---- */
/* The result of an ended job of whatever kind; may be NULL. */
void metrics_aio_result(struct metrics *m, const char *kind, const json_t *result,
                        int64_t ended_ms);
void metrics_aio_text(const struct metrics *m, const struct app *app, bool open, struct buf *b);

/* Where a route's counters are; the last place is for none. */
size_t metrics_place(const struct route *r);

#endif
