/* destination_call: from a configuration's call to the opened place that the request names. Loop's
 * thread. */
#ifndef API_DESTINATION_CALL_H
#define API_DESTINATION_CALL_H

#include "api/config_call.h"
#include "backup/restore/destination.h"

/* From config_call's `go`: opens (on a worker) what the parameter `field` names, by the daemon's
 * settings and the configuration's repositories, and calls `ready`, in which cc->config is valid as
 * in `go`; or answers the call with the refusal. `d` is the callee's from then on: it must be
 * closed or dropped, and may be copied. */
void destination_call(struct config_call *cc, const char *field, enum destination_kind kind,
                      void (*ready)(struct config_call *cc, struct destination *d));

#endif
