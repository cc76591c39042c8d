/* aio_run: the handlers of what runs, stops, starts, updates and checks Nextcloud AIO. */
#ifndef API_HANDLERS_AIO_RUN_H
#define API_HANDLERS_AIO_RUN_H

#include "api/call.h"

void aio_run_now(struct call *c);
void aio_run_async(struct call *c);
void aio_run_official(struct call *c);
void aio_run_update(struct call *c);
void aio_run_check(struct call *c);
void aio_run_stop(struct call *c);            /* the reference API's daily-backup/stop */
void aio_run_containers_stop(struct call *c); /* the same, plainly named */
void aio_run_containers_start(struct call *c);
void aio_target_run_now(struct call *c);
void aio_target_run_async(struct call *c);

#endif
