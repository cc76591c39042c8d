#include "aio/look/service_read.h"

#include "aio/look/container.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HTTPS = 443 };

int service_port(const json_t *inspect)
{
    const char *said = aio_container_env(inspect, "APACHE_PORT");
    char *end = NULL;
    long port = said ? strtol(said, &end, 10) : 0;
    return said && *said && *end == '\0' && port > 0 && port < 65536 ? (int)port : HTTPS;
}

bool service_port_is_tls(int port)
{
    return port == HTTPS;
}

const char *service_domain(const json_t *inspect)
{
    const char *said = aio_container_env(inspect, "NC_DOMAIN");
    return said ? said : "";
}

static void add(struct service_hosts *hosts, const char *host)
{
    if (host[0] == '\0' || strlen(host) >= SERVICE_HOST || hosts->count == SERVICE_HOSTS_MAX)
        return;
    for (size_t i = 0; i < hosts->count; i++)
        if (strcmp(hosts->at[i], host) == 0)
            return;
    (void)snprintf(hosts->at[hosts->count++], SERVICE_HOST, "%s", host);
}

static bool is_any_address(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

void service_hosts(const json_t *inspect, int port, const struct aio_context *x,
                   struct service_hosts *out)
{
    const json_t *settings = json_object_get(inspect, "NetworkSettings"), *one;
    const char *name;
    char key[16];
    size_t i;
    out->count = 0;
    json_object_foreach((json_t *)json_object_get(settings, "Networks"), name, one)
        add(out, json_get_str(one, "IPAddress", ""));
    add(out, AIO_APACHE_NAME);
    (void)snprintf(key, sizeof key, "%d/tcp", port);
    json_array_foreach(json_object_get(json_object_get(settings, "Ports"), key), i, one)
    {
        const char *address = json_get_str(one, "HostIp", "");
        if (!is_any_address(address))
            add(out, address);
    }
    add(out, "127.0.0.1");
    for (i = 0; i < x->host_count; i++)
        add(out, x->hosts[i]);
}

bool service_read_status(const char *text, size_t n, struct aio_service *out)
{
    json_t *said = json_parse(text, n, NULL);
    bool is_one = json_is_boolean(json_object_get(said, "installed"));
    if (is_one) {
        out->installed = json_get_bool(said, "installed", false);
        out->maintenance = json_get_bool(said, "maintenance", false);
        out->needs_upgrade = json_get_bool(said, "needsDbUpgrade", false);
        (void)snprintf(out->version, sizeof out->version, "%s",
                       json_get_str(said, "versionstring", ""));
    }
    json_decref(said);
    return is_one;
}

bool aio_service_up(const struct aio_service *s)
{
    return s->containers && s->port && s->status && s->installed && !s->maintenance &&
           !s->needs_upgrade;
}

void aio_service_write(const struct aio_service *s, struct jsonw *w)
{
    jsonw_begin_object(w);
    jsonw_kbool(w, "containers", s->containers);
    jsonw_kbool(w, "port", s->port);
    jsonw_kbool(w, "status", s->status);
    jsonw_kbool(w, "installed", s->installed);
    jsonw_kbool(w, "maintenance", s->maintenance);
    jsonw_kbool(w, "needs_db_upgrade", s->needs_upgrade);
    jsonw_kstr(w, "version", s->version[0] ? s->version : NULL);
    jsonw_kstr(w, "host", s->host[0] ? s->host : NULL);
    jsonw_key(w, "port_number");
    if (s->port_number)
        jsonw_int(w, s->port_number);
    else
        jsonw_null(w);
    jsonw_kstr(w, "problem", s->problem[0] ? s->problem : NULL);
    jsonw_end_object(w);
}
