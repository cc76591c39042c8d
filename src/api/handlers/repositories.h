/* Handlers: one configuration's repositories. */
#ifndef API_HANDLERS_REPOSITORIES_H
#define API_HANDLERS_REPOSITORIES_H

#include "api/call.h"

void repositories_info(struct call *c);
void repositories_check(struct call *c);

#endif
