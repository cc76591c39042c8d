#include "aio_settings.h"

#include "base/mem.h"
#include "docker/engine.h"

#include <string.h>

/* Cuts the text at the separator; empty parts are left out. */
static bool cut(char *text, char separator, const char **parts, size_t max, size_t *count)
{
    *count = 0;
    while (*text) {
        char *end = strchr(text, separator);
        if (end)
            *end = '\0';
        if (*text && *count == max)
            return false;
        if (*text)
            parts[(*count)++] = text;
        if (!end)
            break;
        text = end + 1;
    }
    return true;
}

static bool roots(struct aio_settings_kept *kept, struct aio_context *out, struct err *e)
{
    if (!cut(kept->roots, ':', out->target_roots, AIO_ROOTS_MAX, &out->target_root_count))
        return err_field(e, ERR_BAD_REQUEST, "AIO_TARGET_ROOTS",
                         "AIO_TARGET_ROOTS: at most %d folders", AIO_ROOTS_MAX);
    for (size_t i = 0; i < out->target_root_count; i++)
        if (out->target_roots[i][0] != '/')
            return err_field(e, ERR_BAD_REQUEST, "AIO_TARGET_ROOTS",
                             "AIO_TARGET_ROOTS: expected absolute paths separated by colons");
    return true;
}

static bool hosts(struct aio_settings_kept *kept, struct aio_context *out, struct err *e)
{
    if (cut(kept->hosts, ',', out->hosts, AIO_HOSTS_MAX, &out->host_count))
        return true;
    return err_field(e, ERR_BAD_REQUEST, "AIO_HOSTS", "AIO_HOSTS: at most %d hosts", AIO_HOSTS_MAX);
}

static bool master(const struct aio_context *out, struct err *e)
{
    const char *name = out->whitelist.master;
    return !*name || engine_name_valid(name, NULL) ||
           err_field(e, ERR_BAD_REQUEST, "AIO_MASTER", "AIO_MASTER: expected a container's name");
}

bool aio_settings_build(const struct config *c, struct aio_settings_kept *kept,
                        struct aio_context *out, struct err *e)
{
    *kept = (struct aio_settings_kept){.roots = mem_strdup(c->aio_target_roots),
                                       .hosts = mem_strdup(c->aio_hosts)};
    *out = (struct aio_context){
        .docker_host = c->docker_host,
        .whitelist = {.master = c->aio_master_set ? c->aio_master : AIO_MASTER_NAME,
                      .daily = c->aio_daily,
                      .health = c->aio_health},
        .optional = !c->aio_master_set,
        .config_file = c->aio_config_file,
        .dump_dir = c->aio_dump_dir,
        .host_root = c->aio_host_root,
        .state_dir = c->state_dir,
        .stall_minutes = (unsigned)c->aio_stall_minutes,
        .schedule_guard_minutes = (unsigned)c->aio_schedule_guard_minutes,
        .pace_percent = (unsigned)c->aio_pace,
    };
    if (!kept->roots || !kept->hosts)
        return err_set(e, ERR_NO_MEMORY, "no memory for the settings");
    return engine_host_valid(c->docker_host, e) && master(out, e) && roots(kept, out, e) &&
           hosts(kept, out, e);
}

void aio_settings_done(struct aio_settings_kept *kept)
{
    mem_freep(&kept->roots);
    mem_freep(&kept->hosts);
}
