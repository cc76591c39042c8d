#include "docker/engine.h"
#include "docker/engine_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH = 512 };

/* The Engine takes "seconds.nanoseconds". */
static void since(int64_t ns, char *out, size_t size)
{
    *out = '\0';
    if (ns > 0)
        (void)snprintf(out, size, "&since=%" PRId64 ".%09" PRId64, ns / 1000000000,
                       ns % 1000000000);
}

struct engine_stream *engine_logs(struct engine *en, const char *container, int64_t since_ns,
                                  bool follow, const struct engine_sink *sink, struct err *e)
{
    char path[PATH], from[48];
    if (!engine_name_valid(container, e))
        return NULL;
    since(since_ns, from, sizeof from);
    (void)snprintf(path, sizeof path, "/containers/%s/logs?stdout=1&stderr=1%s%s", container,
                   follow ? "&follow=1" : "", from);
    const struct engine_ask a = {.method = "GET",
                                 .path = path,
                                 .needs = NEED_CONTAINERS,
                                 .container = container,
                                 .framing = FRAMING_BY_TYPE};
    return engine_open_stream(en, &a, sink, e);
}

struct engine_stream *engine_events(struct engine *en, int64_t since_ns,
                                    const struct engine_sink *sink, struct err *e)
{
    char path[PATH], from[48];
    since(since_ns, from, sizeof from);
    /* filters={"type":["container"]} */
    (void)snprintf(path, sizeof path,
                   "/events?filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%7D%s", from);
    const struct engine_ask a = {.method = "GET", .path = path, .needs = NEED_EVENTS};
    return engine_open_stream(en, &a, sink, e);
}
