/* service: does Nextcloud itself serve? Containers run, the port answers, status.php says installed
 * and not in maintenance. AIO's own health checks do not say so (aio.md §2). Blocks; a task's
 * thread. */
#ifndef AIO_SERVICE_H
#define AIO_SERVICE_H

#include "aio/context.h"
#include "aio/look.h"
#include "base/jsonw.h"

#include <stdbool.h>

struct aio_service {
    bool containers; /* apache and nextcloud run and do not restart */
    bool port;       /* apache's port answers */
    bool status;     /* status.php was read */
    bool installed, maintenance, needs_upgrade;
    char version[32], host[128];
    int port_number;
    char problem[256]; /* the first part that fails, in words; "" when it serves */
};

/* Asks once. `serving` = all of it. False and `e` only when the Engine cannot be asked. */
bool aio_service(struct engine *en, const struct aio_context *x, struct aio_service *out,
                 struct err *e);
bool aio_service_up(const struct aio_service *s);
/* Asks until it serves or `ms` have passed. */
bool aio_service_wait(struct engine *en, const struct aio_context *x, unsigned ms,
                      struct aio_service *out, struct err *e);
void aio_service_write(const struct aio_service *s, struct jsonw *w);

#endif
