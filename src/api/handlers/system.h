/* system: /, /health, /health/public, /status, /ready, /metrics. */
#ifndef API_HANDLERS_SYSTEM_H
#define API_HANDLERS_SYSTEM_H

#include "api/call.h"

void system_root(struct call *c);
void system_health(struct call *c);
void system_health_public(struct call *c);
void system_status(struct call *c);
void system_ready(struct call *c);
void system_metrics(struct call *c);

#endif
