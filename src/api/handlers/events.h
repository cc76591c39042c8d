/* events: GET /events/stream. */
#ifndef API_HANDLERS_EVENTS_H
#define API_HANDLERS_EVENTS_H

#include "api/call.h"

void events_stream(struct call *c);

#endif
