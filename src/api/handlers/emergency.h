/* emergency: handlers: what state everything is in, the emergency stop, and what undoes it. */
#ifndef API_HANDLERS_EMERGENCY_H
#define API_HANDLERS_EMERGENCY_H

#include "api/call.h"

void emergency_status(struct call *c);
void emergency_shutdown(struct call *c);
void emergency_resume(struct call *c);

#endif
