#include "docker/version_probe.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { ENGINE_MS = 5000, VERSION_MAX = 64 * 1024 };

struct version_probe {
    struct httpc *calls;
    char *socket; /* NULL: by tcp */
    char *base;   /* "http://host:port" */
    struct httpc_call *asking;
    void (*done)(void *, const char *, const struct err *);
    void *arg;
};

static bool take_host(struct version_probe *en, const char *host)
{
    if (!*host) {
        en->socket = mem_strdup(ENGINE_SOCKET);
    } else if (strncmp(host, "unix:///", 8) == 0 && host[8]) {
        en->socket = mem_strdup(host + 7);
    } else if (strncmp(host, "tcp://", 6) == 0 && host[6] && !strpbrk(host + 6, "/@?# ")) {
        en->base = mem_printf("http://%s", host + 6);
        return en->base != NULL;
    } else {
        return false;
    }
    en->base = mem_strdup("http://docker");
    return en->socket && en->base;
}

struct version_probe *version_probe_new(struct httpc *calls, const char *host, struct err *e)
{
    struct version_probe *en = mem_zalloc(sizeof *en);
    if (!en || !take_host(en, host)) {
        version_probe_free(en);
        (void)err_field(e, ERR_BAD_REQUEST, "DOCKER_HOST",
                        "DOCKER_HOST must be unix:///path or tcp://host:port");
        return NULL;
    }
    en->calls = calls;
    return en;
}

void version_probe_free(struct version_probe *en)
{
    if (!en)
        return;
    httpc_cancel(en->asking);
    mem_free(en->socket);
    mem_free(en->base);
    mem_free(en);
}

static void on_version(void *arg, const struct httpc_reply *reply, const struct err *e)
{
    struct version_probe *en = arg;
    en->asking = NULL;
    struct err why = {0};
    char text[128];
    json_t *o = NULL;
    if (e)
        why = *e;
    else if (reply->status == 403)
        (void)err_set(&why, ERR_UNAVAILABLE, "the Docker proxy does not permit VERSION");
    else if (reply->status != 200 || !(o = json_parse(reply->body, reply->body_len, NULL)))
        (void)err_set(&why, ERR_UNAVAILABLE, "no Docker Engine answers there (status %d)",
                      reply->status);
    if (o)
        (void)snprintf(text, sizeof text, "%s (API %s)", json_get_str(o, "Version", "?"),
                       json_get_str(o, "ApiVersion", "?"));
    en->done(en->arg, o ? text : NULL, o ? NULL : &why);
    json_decref(o);
}

bool version_probe_ask(struct version_probe *en,
                       void (*done)(void *arg, const char *version, const struct err *e), void *arg,
                       struct err *e)
{
    if (en->asking)
        return err_set(e, ERR_TOO_BUSY, "the Engine is being asked already");
    char *url = mem_printf("%s/version", en->base);
    if (!url)
        return err_set(e, ERR_NO_MEMORY, "no memory to ask the Engine");
    struct httpc_request r = {.method = "GET",
                              .url = url,
                              .unix_socket = en->socket,
                              .timeout_ms = ENGINE_MS,
                              .reply_max = VERSION_MAX,
                              .done = on_version,
                              .arg = en};
    en->done = done;
    en->arg = arg;
    en->asking = httpc_start(en->calls, &r, e);
    mem_free(url);
    return en->asking != NULL;
}
