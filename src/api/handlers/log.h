/* log: GET /jobs/{id}/log, what the job's program printed, as plain text. */
#ifndef API_HANDLERS_LOG_H
#define API_HANDLERS_LOG_H

#include "api/call.h"
#include "base/buf.h"
#include "jobs/event.h"

#include <stdbool.h>

void jobs_log(struct call *c);

/* The text of the event's line, unescaped, appended with a line end. False when there is none. */
bool log_line(const struct event *ev, struct buf *out);

#endif
