/* repository_create: handler of POST /repositories/{label}/create; see its row in
 * api/routes/repositories.def. */
#ifndef API_HANDLERS_REPOSITORY_CREATE_H
#define API_HANDLERS_REPOSITORY_CREATE_H

#include "api/call.h"

void repository_create(struct call *c);

#endif
