/* aio_read: what Nextcloud AIO is and does, looked at without touching it. */
#ifndef API_HANDLERS_AIO_READ_H
#define API_HANDLERS_AIO_READ_H

#include "api/call.h"

void aio_read_containers(struct call *c);
void aio_read_running(struct call *c);
void aio_read_preflight(struct call *c);
void aio_read_overview(struct call *c); /* aio_overview.c */

#endif
