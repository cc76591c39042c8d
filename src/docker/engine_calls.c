#include "base/json.h"
#include "docker/engine.h"
#include "docker/engine_internal.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

enum { PATH = 512, NAME = 128 };

bool engine_name_valid(const char *container, struct err *e)
{
    static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t n = strlen(container);
    bool sound = n > 0 && n <= NAME && strchr(alnum, container[0]) &&
                 strspn(container, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "_.-") == n;
    return sound || err_field(e, ERR_BAD_REQUEST, "container",
                              "a container's name has letters, digits, '_', '.' and '-' only");
}

static json_t *get(struct engine *en, const char *path, unsigned needs, unsigned ms, struct err *e)
{
    const struct engine_ask a = {.method = "GET", .path = path, .needs = needs, .ms = ms};
    return engine_ask_json(en, &a, e);
}

static json_t *get_of(struct engine *en, const char *container, const char *what, struct err *e)
{
    char path[PATH];
    if (!engine_name_valid(container, e))
        return NULL;
    (void)snprintf(path, sizeof path, "/containers/%s%s", container, what);
    const struct engine_ask a = {
        .method = "GET", .path = path, .needs = NEED_CONTAINERS, .container = container};
    return engine_ask_json(en, &a, e);
}

json_t *engine_version(struct engine *en, struct err *e)
{
    return get(en, "/version", NEED_VERSION, 0, e);
}

json_t *engine_containers(struct engine *en, bool all, struct err *e)
{
    return get(en, all ? "/containers/json?all=1" : "/containers/json", NEED_CONTAINERS, 0, e);
}

json_t *engine_inspect(struct engine *en, const char *container, struct err *e)
{
    return get_of(en, container, "/json", e);
}

json_t *engine_top(struct engine *en, const char *container, struct err *e)
{
    return get_of(en, container, "/top", e);
}

json_t *engine_stats(struct engine *en, const char *container, struct err *e)
{
    return get_of(en, container, "/stats?stream=0&one-shot=1", e);
}

json_t *engine_volumes(struct engine *en, struct err *e)
{
    return get(en, "/volumes", NEED_VOLUMES, 0, e);
}

json_t *engine_disk_usage(struct engine *en, struct err *e)
{
    return get(en, "/system/df?type=volume", NEED_SYSTEM, ENGINE_DF_MS, e);
}

/* ---- stopping ---- */

static int own_grace(const json_t *inspected)
{
    int64_t s = json_get_int(json_object_get(inspected, "Config"), "StopTimeout", -1);
    return s >= 0 && s < 24 * 3600 ? (int)s : ENGINE_STOP_GRACE_S;
}

static bool runs(const json_t *inspected)
{
    return json_get_bool(json_object_get(inspected, "State"), "Running", false);
}

/* The call was cut, by a proxy that does not bear the silence; the Engine goes on stopping. */
static bool await_stopped(struct engine *en, const char *container, uint64_t until, struct err *e)
{
    for (;;) {
        json_t *now = engine_inspect(en, container, e);
        bool running = now && runs(now);
        json_decref(now);
        if (!now || !running)
            return now != NULL;
        if (engine_now_ms() >= until)
            return err_set(e, ERR_TIMEOUT, "the container %s does not stop", container);
        for (uint64_t next = engine_now_ms() + ENGINE_STOP_LOOK_MS, t;
             (t = engine_now_ms()) < next;)
            if (!engine_turn(en, (unsigned)(next - t)))
                return engine_fault_stopped(en, e);
    }
}

bool engine_stop(struct engine *en, const char *container, int grace_s, struct err *e)
{
    json_t *before = engine_inspect(en, container, e);
    if (!before)
        return false;
    bool running = runs(before);
    int grace = grace_s < 0 ? own_grace(before) : grace_s;
    json_decref(before);
    if (!running)
        return true;
    char path[PATH], given[24] = "";
    if (grace_s >= 0)
        (void)snprintf(given, sizeof given, "?t=%d", grace_s);
    (void)snprintf(path, sizeof path, "/containers/%s/stop%s", container, given);
    const struct engine_ask a = {.method = "POST",
                                 .path = path,
                                 .needs = NEED_CONTAINERS | NEED_POST,
                                 .ms = (unsigned)grace * 1000 + ENGINE_STOP_SPARE_MS,
                                 .container = container};
    uint64_t until = engine_now_ms() + a.ms;
    struct err why = {0};
    struct buf body;
    int status = 0;
    buf_init(&body, 0);
    bool ok = engine_ask(en, &a, &status, &body, &why);
    buf_wipe(&body);
    if (ok)
        return true;
    bool cut = why.code == ERR_DOCKER && (status == 0 || status >= 502);
    if (cut)
        return await_stopped(en, container, until, e);
    *e = why;
    return false;
}
