/* overview: handler of all repositories at a glance (api/routes/overview.def). */
#ifndef API_HANDLERS_OVERVIEW_H
#define API_HANDLERS_OVERVIEW_H

#include "api/call.h"

void overview_repositories(struct call *c);

#endif
