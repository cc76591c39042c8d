/* service: does Nextcloud itself serve? Containers run, apache's port answers, status.php says
 * installed and not in maintenance. AIO's own health checks do not say so: the mastercontainer's
 * only tries its own ports, and those of nextcloud and apache are content while what they depend on
 * is down. Blocks; a task's thread. */
#ifndef AIO_LOOK_SERVICE_H
#define AIO_LOOK_SERVICE_H

#include "aio/context.h"
#include "aio/look/look.h"
#include "base/jsonw.h"

#include <stdbool.h>

struct aio_service {
    bool containers; /* apache and nextcloud run and do not restart */
    bool port;       /* apache's port answers */
    bool status;     /* status.php was read */
    bool installed, maintenance, needs_upgrade;
    char version[32];  /* of Nextcloud, or "" */
    char host[128];    /* where it answered, or where the port did, or "" */
    int port_number;   /* apache's; 0 when apache's container is not there */
    char problem[256]; /* the first part that fails, in words; "" when it serves */
};

/* Asks once, SERVICE_ALL_MS at most for the port. Apache is looked for at its container's name and
 * addresses, where the Engine publishes it, at 127.0.0.1 and at AIO_HOSTS. False and `e` only when
 * the Engine cannot be asked. */
bool aio_service(struct engine *en, const struct aio_context *x, struct aio_service *out,
                 struct err *e);
/* All of it: also no upgrade of its database is due, which keeps its users out. */
bool aio_service_up(const struct aio_service *s);
/* Asks until it serves or `ms` have passed (then true, and aio_service_up says no). */
bool aio_service_wait(struct engine *en, const struct aio_context *x, unsigned ms,
                      struct aio_service *out, struct err *e);
/* {containers,port,status,installed,maintenance,needs_db_upgrade,version,host,port_number,problem}
 */
void aio_service_write(const struct aio_service *s, struct jsonw *w);

#endif
