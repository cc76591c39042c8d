/* Handlers: locks (api/routes/locks.def). */
#ifndef API_HANDLERS_LOCKS_H
#define API_HANDLERS_LOCKS_H

#include "api/call.h"

void locks_status(struct call *c);
void locks_active(struct call *c);
void locks_quick_check(struct call *c);

#endif
