/* report: what a workflow was asked for and what came of it, as JSON: the job's result, its
 * verdict, the members of its status events, and what a later start is told. No secret is among it.
 * Pure. */
#ifndef AIO_JOB_REPORT_H
#define AIO_JOB_REPORT_H

#include "aio/run/run.h"
#include "base/buf.h"

#include <stdbool.h>

struct aio_report {
    const struct aio_context *context;
    const struct aio_wants *wants;
    const struct aio_target *previous; /* the target before the run; NULL: not known */
    const struct aio_outcome *outcome; /* NULL: not over */
    const char *hint;                  /* of a failure of the Engine, or "" */
};

/* The command as it stands in the mastercontainer's process list. */
void aio_report_command(const struct aio_report *r, struct buf *out);
/* {"returncode","stdout","stderr","command","env"[,"borgbackup"],"target","previous","restored",
 * "backups","stopped","dump","downtime_seconds","service","preflight",…}; at most AIO_RESULT_MAX
 * bytes: the tails of output go when it would be longer. */
void aio_report_result(const struct aio_report *r, struct buf *out);
/* {"word","sentence","evidence"} */
void aio_report_verdict(const struct aio_report *r, struct buf *out);
/* The members that the reference API's status events have: target, previous and env at the start,
 * and restored and borgbackup at the end; without the braces. */
void aio_report_status(const struct aio_report *r, struct buf *out);

/* For job_spec.private_json: the wants and the previous target … */
void aio_report_private(const struct aio_report *r, struct buf *out);
/* … and back. False: not such a text; then what it says is not known. */
bool aio_report_parse_private(const char *json, struct aio_wants *wants,
                              struct aio_target *previous, bool *previous_known);

#endif
