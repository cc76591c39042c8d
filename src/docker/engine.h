/* engine: the Docker Engine API (Docker docs, "Engine API"), as far as it is used, by libcurl over
 * a unix socket or tcp. No docker CLI.
 *
 * Calls block and are bounded (ENGINE_CALL_MS unless said otherwise); streams are served while
 * engine_wait or another call waits. So an engine belongs to a task (sys/task), whose stop ends
 * every wait with ERR_INTERRUPTED (but the look-up of a tcp host's name). One thread at a time.
 *
 * The API version is negotiated once by /_ping: the Engine's own, at most 1.47; where a proxy
 * forbids the ping, paths go without a version, which means the Engine's own.
 * Containers are addressed by name, so that a proxy's rules can match. Failures are
 * ERR_DOCKER_REFUSED (nothing listens), ERR_DOCKER_PERMISSION (the socket's rights, or a proxy's
 * 403), ERR_CONTAINER_NOT_FOUND, ERR_DOCKER (the Engine's own words), ERR_TIMEOUT; engine_hint then
 * says what would mend it, naming the proxy's permission (`POST`, `EXEC`, `CONTAINERS`, `EVENTS`,
 * `VOLUMES`, `SYSTEM`). */
#ifndef DOCKER_ENGINE_H
#define DOCKER_ENGINE_H

#include "base/err.h"
#include "sys/task.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_SOCKET "/var/run/docker.sock"

struct engine;

/* `host` is the value of DOCKER_HOST: "unix:///path", "tcp://host:port" or "" (ENGINE_SOCKET). NULL
 * and ERR_BAD_REQUEST (field DOCKER_HOST) for any other form. Sends nothing. `t` may be NULL. */
struct engine *engine_open(const char *host, const struct task *t, struct err *e);
void engine_close(struct engine *en); /* closes its streams; NULL is a no-op */
/* Checks the form of DOCKER_HOST alone. */
bool engine_host_valid(const char *host, struct err *e);
/* A container's name or id as Docker allows it: it becomes part of a path. Field "container". */
bool engine_name_valid(const char *container, struct err *e);
bool engine_by_tcp(const char *host); /* then a proxy is likely ("proxy_mode") */
/* What would mend the last failure, or "". */
const char *engine_hint(const struct engine *en);

/* Each returns what the Engine answered (a new reference; json_decref) or NULL. A container's
 * answer holds its environment, which is secret: never shown or logged. */
json_t *engine_version(struct engine *en, struct err *e);
json_t *engine_containers(struct engine *en, bool all, struct err *e); /* an array */
json_t *engine_inspect(struct engine *en, const char *container, struct err *e);
json_t *engine_top(struct engine *en, const char *container, struct err *e);
json_t *engine_stats(struct engine *en, const char *container, struct err *e); /* one shot */
json_t *engine_volumes(struct engine *en, struct err *e); /* {"Volumes":[…]} */
/* The same with UsageData.Size, computed by the Engine (/system/df): may take ENGINE_DF_MS. */
json_t *engine_disk_usage(struct engine *en, struct err *e);
/* Stops it with its own grace (grace_s < 0) or this one, and waits until it has stopped. One that
 * does not run is no error. */
bool engine_stop(struct engine *en, const char *container, int grace_s, struct err *e);

/* ---- streams ---- */
enum engine_out { ENGINE_STDOUT, ENGINE_STDERR };

struct engine_sink {
    /* Bytes as they come, demultiplexed from the 8-byte frames (split anywhere); valid during the
     * call. May call engine_stream_close, but none of the calls above. */
    void (*data)(void *arg, enum engine_out out, const char *p, size_t n);
    /* The stream has ended: `e` NULL when the Engine closed it (which proves nothing of the work),
     * else why. Once, unless it was closed by us. */
    void (*end)(void *arg, const struct err *e);
    void *arg;
};

/* Valid until engine_stream_close or engine_close, also when its end has been told. */
struct engine_stream;
/* The logs from `since_ns` (Unix time; 0: all) on, followed while the container runs. */
struct engine_stream *engine_logs(struct engine *en, const char *container, int64_t since_ns,
                                  bool follow, const struct engine_sink *sink, struct err *e);
/* Events of containers from `since_ns` on, one JSON object a line, on ENGINE_STDOUT. */
struct engine_stream *engine_events(struct engine *en, int64_t since_ns,
                                    const struct engine_sink *sink, struct err *e);
void engine_stream_close(struct engine_stream *s); /* NULL is a no-op */

/* Serves the streams for `ms`, or until one of them has said something. False: the task is to
 * stop. */
bool engine_wait(struct engine *en, unsigned ms);

#endif
