/* poll: GET /events/poll/{job_id}, a job's events by cursor, for clients that cannot hold a stream.
 * A poll with `wait` stays until there is something. Loop's thread only. */
#ifndef API_HANDLERS_POLL_H
#define API_HANDLERS_POLL_H

#include "api/call.h"

struct polls;

struct polls *polls_new(struct err *e);
/* Answers those that wait with what there is; later ones do not wait. */
void polls_stop(struct polls *ps);
void polls_free(struct polls *ps); /* after polls_stop; NULL is a no-op */

void events_poll(struct call *c);

#endif
