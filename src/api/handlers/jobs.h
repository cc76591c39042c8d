/* jobs: GET /jobs, GET and DELETE /jobs/{id}. */
#ifndef API_HANDLERS_JOBS_H
#define API_HANDLERS_JOBS_H

#include "api/call.h"

void jobs_list(struct call *c);
void jobs_get(struct call *c);
void jobs_cancel(struct call *c);

#endif
