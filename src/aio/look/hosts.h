/* hosts: where Nextcloud and AIO may be asked at. Whoever may use the API must not make us a
 * scanner of networks or a relay into them, so only AIO's own containers, ourselves and hosts that
 * the operator names are asked. Pure; any thread. */
#ifndef AIO_LOOK_HOSTS_H
#define AIO_LOOK_HOSTS_H

#include "aio/context.h"
#include "base/err.h"

#include <stdbool.h>

enum { AIO_HOST = 254, AIO_PATH = 256 };

/* A container of AIO by its name, a loopback address in its usual form (127.0.0.1, ::1, localhost),
 * one of AIO_HOSTS, or `domain` (AIO's own, or NULL). Names know no case; anything else is not
 * allowed, also where it would lead to the same place (127.1, ::ffff:127.0.0.1, 2130706433). */
bool aio_host_allowed(const struct aio_context *x, const char *host, const char *domain);

struct base_url {
    bool tls;
    char host[AIO_HOST]; /* without brackets */
    int port;
    char path[AIO_PATH]; /* "" or "/nextcloud", without a slash at its end */
};
/* "http[s]://host[:port][/path]" and nothing more: no user, query, fragment, escape or dot segment.
 * Field base_url. */
bool base_url_parse(const char *text, struct base_url *out, struct err *e);

#endif
