/* aio_probe: handlers that ask whether AIO and Nextcloud are there (api/routes/aio_probe.def). */
#ifndef API_HANDLERS_AIO_PROBE_H
#define API_HANDLERS_AIO_PROBE_H

#include "api/call.h"

void aio_check_backup(struct call *c);
void aio_ports_probe(struct call *c);
void aio_serverinfo(struct call *c);

#endif
