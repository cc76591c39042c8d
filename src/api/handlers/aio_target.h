/* aio_target: the routes of AIO's backup target. */
#ifndef API_HANDLERS_AIO_TARGET_H
#define API_HANDLERS_AIO_TARGET_H

#include "api/call.h"

void aio_target_get(struct call *c);
void aio_target_post(struct call *c);

#endif
