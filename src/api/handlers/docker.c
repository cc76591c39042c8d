#include "api/handlers/docker.h"

#include "api/engine_call.h"
#include "base/json.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

#define VOLUME_PREFIX "nextcloud_aio_"

enum { SHORT_ID = 12, SHOWN_HINT = 320 };

/* What a task asks, and what came of it; in the request's arena. */
struct asked {
    bool all, sizes;
    json_t *answer;
    struct err e;
    char hint[SHOWN_HINT];
    bool sized;         /* the answer has sizes */
    struct err no_size; /* else why not */
};

static void keep_hint(struct asked *a, const struct engine *en)
{
    (void)snprintf(a->hint, sizeof a->hint, "%s", engine_hint(en));
}

static bool only_aio(const struct call *c)
{
    return strcmp(call_str(c, "scope", "aio"), "aio") == 0;
}

/* ---- containers ---- */

static void ask_containers(struct engine *en, void *data)
{
    struct asked *a = data;
    a->answer = engine_containers(en, a->all, &a->e);
    keep_hint(a, en);
}

/* "/name"; a link's "/other/alias" is none. */
static const char *container_name(const json_t *o)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(o, "Names"), i, one)
    {
        const char *s = json_is_string(one) ? json_string_value(one) : "";
        s += *s == '/';
        if (*s && !strchr(s, '/'))
            return s;
    }
    return "";
}

static bool container_wanted(const struct call *c, const char *name)
{
    return !only_aio(c) || strncmp(name, AIO_NAME_PREFIX, strlen(AIO_NAME_PREFIX)) == 0 ||
           strcmp(name, c->app->aio.whitelist.master) == 0;
}

static void show_container(struct jsonw *w, const json_t *o, const char *name)
{
    char id[SHORT_ID + 1];
    (void)snprintf(id, sizeof id, "%s", json_get_str(o, "Id", ""));
    jsonw_begin_object(w);
    jsonw_kstr(w, "id", id);
    jsonw_kstr(w, "name", name);
    jsonw_kstr(w, "image", json_get_str(o, "Image", ""));
    jsonw_kstr(w, "status", json_get_str(o, "Status", ""));
    jsonw_kbool(w, "running", strcmp(json_get_str(o, "State", ""), "running") == 0);
    jsonw_end_object(w);
}

static void show_containers(struct call *c, void *data)
{
    struct asked *a = data;
    struct buf b;
    struct jsonw w;
    size_t i, shown = 0;
    const json_t *one;
    if (!a->answer) {
        call_engine_error(c, &a->e, a->hint);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "containers");
    jsonw_begin_array(&w);
    json_array_foreach(a->answer, i, one)
    {
        const char *name = container_name(one);
        if (container_wanted(c, name) && shown++ < DOCKER_LISTED)
            show_container(&w, one, name);
    }
    jsonw_end_array(&w);
    if (shown > DOCKER_LISTED)
        jsonw_kbool(&w, "truncated", true);
    json_decref(a->answer);
    call_reply(c, 200, &b, &w);
}

void docker_containers(struct call *c)
{
    struct asked *a = call_alloc(c, sizeof *a);
    if (!a)
        return;
    a->all = call_bool(c, "all", false);
    (void)call_in_task(c, ask_containers, show_containers, a);
}

/* ---- volumes ---- */

/* That the sizes cannot be had keeps nobody from seeing the volumes. */
static void ask_volumes(struct engine *en, void *data)
{
    struct asked *a = data;
    if (a->sizes)
        a->answer = engine_disk_usage(en, &a->no_size);
    a->sized = a->answer != NULL;
    keep_hint(a, en);
    if (!a->sized && a->no_size.code != ERR_INTERRUPTED)
        a->answer = engine_volumes(en, &a->e);
    if (!a->answer)
        keep_hint(a, en);
}

static void show_volume(struct jsonw *w, const struct asked *a, const json_t *o)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "name", json_get_str(o, "Name", ""));
    jsonw_kstr(w, "mountpoint", json_get_str(o, "Mountpoint", ""));
    if (a->sizes) {
        int64_t size = json_get_int(json_object_get(o, "UsageData"), "Size", -1);
        jsonw_key(w, "size_bytes");
        if (a->sized && size >= 0)
            jsonw_int(w, size);
        else
            jsonw_null(w);
    }
    jsonw_end_object(w);
}

static void show_volumes(struct call *c, void *data)
{
    struct asked *a = data;
    struct buf b;
    struct jsonw w;
    size_t i, shown = 0;
    const json_t *one;
    if (!a->answer) {
        call_engine_error(c, a->e.code == ERR_NONE ? &a->no_size : &a->e, a->hint);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "volumes");
    jsonw_begin_array(&w);
    json_array_foreach(json_object_get(a->answer, "Volumes"), i, one)
    {
        const char *name = json_get_str(one, "Name", "");
        bool wanted = !only_aio(c) || strncmp(name, VOLUME_PREFIX, strlen(VOLUME_PREFIX)) == 0;
        if (wanted && shown++ < DOCKER_LISTED)
            show_volume(&w, a, one);
    }
    jsonw_end_array(&w);
    if (shown > DOCKER_LISTED)
        jsonw_kbool(&w, "truncated", true);
    if (a->sizes && !a->sized) {
        jsonw_kstr(&w, "size_problem", a->no_size.msg);
        jsonw_kstr(&w, "hint", a->hint);
    }
    json_decref(a->answer);
    call_reply(c, 200, &b, &w);
}

void docker_volumes(struct call *c)
{
    struct asked *a = call_alloc(c, sizeof *a);
    if (!a)
        return;
    a->sizes = call_bool(c, "compute_size", false);
    (void)call_in_task(c, ask_volumes, show_volumes, a);
}
