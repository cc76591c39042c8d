/* metrics: counters of requests and jobs, and both texts of GET /metrics.
 *
 * Every label set is bounded: routes by the table, status codes by METRICS_CODES, kinds and targets
 * of jobs by METRICS_SERIES (what comes later is counted under target "other"). Values come from
 * our own records only. Loop's thread only. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/app.h"
#include "api/route.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <stdint.h>

struct metrics;

/* Counts the jobs that end from now on, and looks up in the store what those of former lives say.
 * Needs app's loop, store and jobs. */
struct metrics *metrics_new(struct app *app, struct err *e);
/* Frees itself when its handle is closed. NULL is a no-op. */
void metrics_close(struct metrics *m);

/* A request was answered; route NULL: none matched, or it was malformed. */
void metrics_request(struct metrics *m, const struct route *r, int status);
void metrics_rate_limited(struct metrics *m, const struct route *r);
/* Given to jobs_on_end; `arg` is a struct metrics. */
void metrics_job_ended(void *arg, const struct job *j);
/* A job of a former life, as the store has it. */
void metrics_job_row(struct metrics *m, const struct store_job *row);

/* What a look at locks has found, at `now` (Unix time). */
struct lock_survey;
void metrics_locks(struct metrics *m, const struct lock_survey *s, double now);

void metrics_json(const struct metrics *m, const struct app *app, struct jsonw *w);
void metrics_prometheus(const struct metrics *m, const struct app *app, bool openmetrics,
                        struct buf *out);

#endif
