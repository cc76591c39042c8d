/* THE table: what the daemon answers. Rate limits are those of the reference API. */
#include "api/route.h"

#include "aio/config/config_file.h"
#include "api/handlers/aio_probe.h"
#include "api/handlers/aio_read.h"
#include "api/handlers/aio_run.h"
#include "api/handlers/aio_target.h"
#include "api/handlers/archives.h"
#include "api/handlers/backup.h"
#include "api/handlers/configs.h"
#include "api/handlers/docker.h"
#include "api/handlers/downloads.h"
#include "api/handlers/emergency.h"
#include "api/handlers/events.h"
#include "api/handlers/export.h"
#include "api/handlers/jobs.h"
#include "api/handlers/known_hosts.h"
#include "api/handlers/locks.h"
#include "api/handlers/log.h"
#include "api/handlers/mounts.h"
#include "api/handlers/net.h"
#include "api/handlers/overview.h"
#include "api/handlers/poll.h"
#include "api/handlers/repositories.h"
#include "api/handlers/repository_create.h"
#include "api/handlers/repository_keys.h"
#include "api/handlers/restore.h"
#include "api/handlers/ssh_keys.h"
#include "api/handlers/system.h"
#include "jobs/hold.h"
#include "limits.h"

#include "api/routes/params.def"

const struct route routes[] = {
#include "api/routes/system.def"

#include "api/routes/jobs.def"

#include "api/routes/backup.def"

#include "api/routes/configs.def"

#include "api/routes/repositories.def"

#include "api/routes/locks.def"

#include "api/routes/emergency.def"

#include "api/routes/overview.def"

#include "api/routes/net.def"

#include "api/routes/aio_probe.def"
#include "api/routes/docker.def"

#include "api/routes/ssh_keys.def"

#include "api/routes/archives.def"

#include "api/routes/export.def"

#include "api/routes/restore.def"

#include "api/routes/aio_target.def"

#include "api/routes/aio_read.def"
#include "api/routes/aio_run.def"
};
const size_t route_count = sizeof routes / sizeof *routes;
