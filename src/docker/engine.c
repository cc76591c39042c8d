#include "docker/engine.h"

#include "base/mem.h"
#include "docker/engine_internal.h"
#include "limits.h"
#include "sys/spawn_gate.h"

#include <linux/close_range.h>
#include <string.h>
#include <unistd.h>

/* ---- DOCKER_HOST ---- */

bool engine_by_tcp(const char *host)
{
    return strncmp(host, "tcp://", 6) == 0;
}

/* name or address, and a port: "docker-proxy:2375", "[::1]:2375" */
static bool is_authority(const char *s)
{
    const char *colon = strrchr(s, ':');
    return *s && !strpbrk(s, "/@?#\\%\"' \t\r\n") && colon && colon != s && colon[1] &&
           strspn(colon + 1, "0123456789") == strlen(colon + 1) && strlen(colon + 1) <= 5 &&
           (*s == '[' ? colon[-1] == ']' : memchr(s, ':', (size_t)(colon - s)) == NULL);
}

bool engine_host_valid(const char *host, struct err *e)
{
    bool by_socket = strncmp(host, "unix:///", 8) == 0 && host[8];
    if (!*host || by_socket || (engine_by_tcp(host) && is_authority(host + 6)))
        return true;
    return err_field(e, ERR_BAD_REQUEST, "DOCKER_HOST",
                     "DOCKER_HOST must be unix:///path or tcp://host:port");
}

/* ---- an engine ---- */

static CURLM *new_multi(void)
{
    spawn_gate_close();
    CURLM *multi = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_multi_init() : NULL;
    /* curl's wake-up pair is not close-on-exec; nothing that we have open is meant for children */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    spawn_gate_open();
    return multi;
}

struct engine *engine_open(const char *host, const struct task *t, struct err *e)
{
    if (!engine_host_valid(host, e))
        return NULL;
    struct engine *en = mem_zalloc(sizeof *en);
    bool tcp = engine_by_tcp(host);
    if (en) {
        en->task = t;
        en->call_ms = ENGINE_CALL_MS;
        en->base = tcp ? mem_printf("http://%s", host + 6) : mem_strdup("http://docker");
        if (!tcp)
            en->socket = mem_strdup(*host ? host + strlen("unix://") : ENGINE_SOCKET);
        en->multi = new_multi();
    }
    if (en && en->base && en->multi && (tcp || en->socket))
        return en;
    engine_close(en);
    (void)err_set(e, ERR_NO_MEMORY, "no memory to ask the Docker Engine");
    return NULL;
}

void engine_close(struct engine *en)
{
    if (!en)
        return;
    while (en->transfers)
        engine_end(en->transfers);
    if (en->multi)
        (void)curl_multi_cleanup(en->multi);
    curl_slist_free_all(en->resolved);
    mem_free(en->socket);
    mem_free(en->base);
    mem_free(en);
}

const char *engine_hint(const struct engine *en)
{
    return en->hint;
}
