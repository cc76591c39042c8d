/* THE table: what the daemon answers. Rate limits are those of the reference API. */
#include "api/route.h"

#include "api/handlers/backup.h"
#include "api/handlers/configs.h"
#include "api/handlers/events.h"
#include "api/handlers/jobs.h"
#include "api/handlers/log.h"
#include "api/handlers/poll.h"
#include "api/handlers/repositories.h"
#include "api/handlers/system.h"
#include "api/route_params.h"

const struct route routes[] = {
#include "api/routes/system.def"

#include "api/routes/jobs.def"

#include "api/routes/backup.def"

#include "api/routes/configs.def"

#include "api/routes/repositories.def"
};
const size_t route_count = sizeof routes / sizeof *routes;
