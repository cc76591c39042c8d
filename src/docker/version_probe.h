/* version_probe: the Docker Engine API, as far as it is used: is it there, and which version is it?
 *
 * DOCKER_HOST as "unix:///path", "tcp://host:port", or empty (/var/run/docker.sock). No docker CLI.
 * Loop's thread only. */
#ifndef DOCKER_VERSION_PROBE_H
#define DOCKER_VERSION_PROBE_H

#include "base/err.h"
#include "sys/httpc.h"

#include <stdbool.h>

#define ENGINE_SOCKET "/var/run/docker.sock"

struct version_probe;

/* `host` is the value of DOCKER_HOST. `calls` must outlive it. NULL and ERR_BAD_REQUEST (field
 * DOCKER_HOST) for a form that is none of the above. */
struct version_probe *version_probe_new(struct httpc *calls, const char *host, struct err *e);
void version_probe_free(struct version_probe *en); /* cancels what runs; NULL is a no-op */

/* Asks /version. `done` runs once, never from inside: `version` is "28.2.2 (API 1.50)" and `e`
 * NULL, or version is NULL and `e` says why: not there, refused, no permission, no Engine. */
bool version_probe_ask(struct version_probe *en,
                       void (*done)(void *arg, const char *version, const struct err *e), void *arg,
                       struct err *e);

#endif
