/* service_read: where apache may answer, and what status.php says. Pure. */
#ifndef AIO_LOOK_SERVICE_READ_H
#define AIO_LOOK_SERVICE_READ_H

#include "aio/context.h"
#include "aio/look/service.h"

#include <jansson.h>
#include <stddef.h>

enum { SERVICE_HOSTS_MAX = AIO_HOSTS_MAX + 16, SERVICE_HOST = 128 };

struct service_hosts {
    char at[SERVICE_HOSTS_MAX][SERVICE_HOST];
    size_t count;
};

/* Apache's port, of its container's environment (APACHE_PORT; AIO's default is 443). */
int service_port(const json_t *inspect);
/* The container's addresses and name, the addresses that its port is published at, 127.0.0.1,
 * AIO_HOSTS; each once, in this order. */
void service_hosts(const json_t *inspect, int port, const struct aio_context *x,
                   struct service_hosts *out);
/* Nextcloud's name as apache knows it (NC_DOMAIN), or "". */
const char *service_domain(const json_t *inspect);
/* The port speaks TLS: only 443 does, AIO's other ports are meant for a proxy before it. */
bool service_port_is_tls(int port);
/* Takes installed, maintenance, needsDbUpgrade, versionstring; false when it is not status.php's
 * answer. */
bool service_read_status(const char *text, size_t n, struct aio_service *out);

#endif
