#include "aio/look/look.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name without its '/'; a name with another one is a link's alias. NULL: not one of AIO's. */
static const char *name_of(const json_t *listed, const char *master)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(listed, "Names"), i, one)
    {
        const char *name = json_string_value(one);
        if (!name || name[0] != '/' || strchr(name + 1, '/') || strlen(name) > AIO_CONTAINER_NAME)
            continue;
        name++;
        if (strncmp(name, AIO_NAME_PREFIX, strlen(AIO_NAME_PREFIX)) == 0 ||
            strcmp(name, master) == 0)
            return name;
    }
    return NULL;
}

/* Those that answers depend on are looked at first: were there ever more than there is room for,
 * these would not be the ones that are missing. */
static bool is_key(const char *name, const char *master)
{
    static const char *const key[] = {AIO_BORG_NAME, AIO_WATCHTOWER_NAME, AIO_APACHE_NAME,
                                      AIO_NEXTCLOUD_NAME, AIO_DATABASE_NAME};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++)
        if (strcmp(name, key[i]) == 0)
            return true;
    return strcmp(name, master) == 0;
}

/* One that has vanished since it was listed is no error: AIO deletes and makes them anew. */
static bool add(struct engine *en, const json_t *listed, const char *name, struct aio_look *out,
                struct err *e)
{
    struct err why = {0};
    struct aio_container *c = &out->containers[out->count];
    json_t *inspect = engine_inspect(en, name, &why);
    if (!inspect && why.code == ERR_CONTAINER_NOT_FOUND)
        return true;
    if (!inspect) {
        if (e)
            *e = why;
        return false;
    }
    bool ok = aio_container_read(inspect, c);
    if (ok && strcmp(name, AIO_NEXTCLOUD_NAME) == 0)
        aio_version_read(inspect, out->version);
    json_decref(inspect);
    if (!ok)
        return err_set(e, ERR_DOCKER, "the Engine's description of %s cannot be read", name);
    (void)snprintf(c->status, sizeof c->status, "%s", json_get_str(listed, "Status", ""));
    out->count++;
    return true;
}

static bool add_all(struct engine *en, const json_t *list, const char *master, bool key,
                    struct aio_look *out, struct err *e)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        const char *name = name_of(one, master);
        if (name && is_key(name, master) == key && out->count < AIO_CONTAINERS_MAX &&
            !add(en, one, name, out, e))
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct aio_container *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static bool active(const struct aio_look *l, const char *name)
{
    const struct aio_container *c = aio_look_find(l, name);
    return c && aio_container_active(c);
}

static bool runs(const struct aio_look *l, const char *name)
{
    const struct aio_container *c = aio_look_find(l, name);
    return c && c->running;
}

/* A mastercontainer that does not run runs no script. */
static bool look_at_script(struct engine *en, const struct aio_context *x, struct aio_look *out,
                           struct err *e)
{
    out->script_known = true;
    if (!out->master_found || !out->master.running)
        return true;
    json_t *top = engine_top(en, out->master.name, &out->script_why);
    if (!top) {
        out->script_known = false;
        if (out->script_why.code == ERR_INTERRUPTED) {
            if (e)
                *e = out->script_why;
            return false;
        }
        return true;
    }
    out->script_known = aio_top_names(top, x->whitelist.daily, &out->script_running);
    if (!out->script_known)
        (void)err_set(&out->script_why, ERR_DOCKER, "the process list has no command lines");
    json_decref(top);
    return true;
}

bool aio_look(struct engine *en, const struct aio_context *x, struct aio_look *out, struct err *e)
{
    const char *master = x->whitelist.master;
    *out = (struct aio_look){0};
    json_t *list = engine_containers(en, true, e);
    if (!list)
        return false;
    bool ok = add_all(en, list, master, true, out, e) && add_all(en, list, master, false, out, e);
    json_decref(list);
    if (!ok)
        return false;
    qsort(out->containers, out->count, sizeof *out->containers, by_name);
    const struct aio_container *found = master[0] ? aio_look_find(out, master) : NULL;
    out->master_found = found != NULL;
    if (found)
        out->master = *found;
    out->borg_running = active(out, AIO_BORG_NAME);
    out->watchtower_running = active(out, AIO_WATCHTOWER_NAME);
    out->stack_up = runs(out, AIO_APACHE_NAME) && runs(out, AIO_NEXTCLOUD_NAME);
    return look_at_script(en, x, out, e);
}

bool aio_look_busy(const struct aio_look *l, const char **what)
{
    const char *found = l->script_running       ? "daily-backup.sh"
                        : l->borg_running       ? AIO_BORG_NAME
                        : l->watchtower_running ? AIO_WATCHTOWER_NAME
                                                : NULL;
    if (what)
        *what = found ? found : "";
    return found != NULL;
}

const struct aio_container *aio_look_find(const struct aio_look *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->containers[i].name, name) == 0)
            return &l->containers[i];
    return NULL;
}
