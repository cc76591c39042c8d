/* aio_wants: what a request asks of AIO's workflow. Fills `e` with the field at fault; nothing is
 * touched. Loop's thread. */
#ifndef API_AIO_WANTS_H
#define API_AIO_WANTS_H

#include "aio/run/run.h"
#include "api/call.h"

#include <stdbool.h>

/* The fields of POST /nextcloud/daily-backup/run and extra_env. What is not said is as in the
 * reference API: a backup with stop and start, no update; with check_backup a check alone.
 * ERR_EXEC_FORBIDDEN names a key of extra_env that nobody may set. */
bool aio_wants_run(const struct call *c, struct aio_wants *w, struct err *e);
/* The same for its target or targets: host_location, remote_repo, or targets. */
bool aio_wants_targets(const struct call *c, struct aio_wants *w, struct err *e);
/* "0" or "1" under the script's own names (official-daily-backup, start-and-update). */
bool aio_wants_flags(const struct call *c, struct aio_wants *w, struct err *e);

#endif
