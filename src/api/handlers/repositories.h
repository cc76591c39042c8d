/* repositories: handlers of /repositories/{label}: reading, and what borgmatic does to them; see
 * their rows in api/routes/repositories.def. */
#ifndef API_HANDLERS_REPOSITORIES_H
#define API_HANDLERS_REPOSITORIES_H

#include "api/call.h"

void repositories_info(struct call *c);
void repositories_latest_stats(struct call *c);
void repositories_check(struct call *c);
void repositories_prune(struct call *c);
void repositories_compact(struct call *c);

#endif
