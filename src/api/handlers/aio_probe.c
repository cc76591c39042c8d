/* POST /nextcloud/check-backup, /nextcloud/ports/probe. */
#include "api/handlers/aio_probe.h"

#include "aio/look/hosts.h"
#include "api/engine_call.h"
#include "api/pending.h"
#include "base/mem.h"
#include "docker/exec.h"
#include "limits.h"
#include "sys/tcp_probe.h"

#include <stdio.h>
#include <string.h>

/* ---- the health script ---- */

struct health {
    const struct aio_context *aio;
    unsigned ms;
    struct exec_result result;
    bool executed, ok;
    struct err e;
    char hint[256];
};

static void on_executed(void *arg, const char *container, const char *command)
{
    ((struct health *)arg)->executed = true;
}

static void run_health(struct engine *en, void *data)
{
    struct health *h = data;
    const char *const argv[] = {h->aio->whitelist.health, NULL};
    const struct exec_command command = {
        .container = h->aio->whitelist.master, .argv = argv, .audit = on_executed, .audit_arg = h};
    h->ok = exec_run(en, &h->aio->whitelist, &command, h->ms, HEALTHCHECK_OUT, &h->result, &h->e);
    if (!h->ok)
        (void)snprintf(h->hint, sizeof h->hint, "%s", engine_hint(en));
}

static void write_health(struct jsonw *w, const struct health *h)
{
    bool known = h->result.code >= 0;
    jsonw_key(w, "returncode");
    if (known)
        jsonw_int(w, h->result.code);
    else
        jsonw_null(w);
    jsonw_kstr(w, "stdout", h->result.out ? h->result.out : "");
    jsonw_kstr(w, "stderr", h->result.err ? h->result.err : "");
    jsonw_kstr(w, "command", h->aio->whitelist.health);
    jsonw_key(w, "healthy");
    if (known)
        jsonw_bool(w, h->result.code == 0);
    else
        jsonw_null(w);
    /* AIO healthcheck.sh */
    jsonw_key(w, "meaning");
    jsonw_begin_object(w);
    jsonw_kstr(w, "proves",
               "the mastercontainer's own web ports and PHP answer, or AIO has not "
               "been set up yet");
    jsonw_kstr(w, "does_not_prove",
               "that Nextcloud serves, that Docker, the disk or borg are in order, or that there "
               "is a backup: see /nextcloud/running, /nextcloud/preflight and "
               "/nextcloud/check-integrity");
    jsonw_end_object(w);
}

static void health_failed(struct call *c, const struct health *h)
{
    struct err e;
    const char *hint = h->hint;
    if (h->e.code == ERR_TIMEOUT && h->executed) {
        (void)err_set(&e, ERR_TIMEOUT, "%s did not end within %u s; it goes on by itself",
                      h->aio->whitelist.health, h->ms / 1000);
        call_error(c, &e);
        return;
    }
    if (h->e.code == ERR_CONTAINER_NOT_FOUND && !*hint)
        hint = "AIO_MASTER names the mastercontainer: is the name right, and does it exist?";
    call_engine_error(c, &h->e, hint);
}

static void after_health(struct call *c, void *data)
{
    struct health *h = data;
    struct exec_result said = h->result; /* what is answered is gone with its request */
    if (h->executed)
        (void)call_audit_note(c, "docker_exec", h->aio->whitelist.health, NULL,
                              h->ok ? "done" : "failed");
    if (h->ok) {
        struct buf b;
        struct jsonw w;
        call_begin(c, &b, &w, true);
        write_health(&w, h);
        call_reply(c, 200, &b, &w);
    } else {
        health_failed(c, h);
    }
    mem_free(said.out);
    mem_free(said.err);
}

void aio_check_backup(struct call *c)
{
    struct err e;
    const struct aio_context *aio = &c->app->aio;
    struct health *h = call_alloc(c, sizeof *h);
    if (!h)
        return;
    if (!*aio->whitelist.master) {
        (void)err_field(&e, ERR_UNAVAILABLE, "AIO_MASTER",
                        "AIO_MASTER is empty: there is no mastercontainer to ask");
        call_error(c, &e);
        return;
    }
    *h = (struct health){.aio = aio, .ms = (unsigned)call_int(c, "timeout", HEALTHCHECK_S) * 1000};
    (void)call_in_task(c, run_health, after_health, h);
}

/* ---- ports ---- */

struct port {
    struct ports *all;
    struct tcp_probe *probe;
    int number;
    struct tcp_probe_result result;
};

struct ports {
    struct call *c;
    struct pending pending;
    int64_t ms;
    size_t count, open; /* open: probes that have not answered */
    struct port ports[LIMIT_NUMBERS];
};

static void free_probes(void *arg)
{
    struct ports *p = arg;
    for (size_t i = 0; i < p->count; i++)
        tcp_probe_free(TAKE(p->ports[i].probe));
}

static void write_port(struct jsonw *w, const struct port *one)
{
    jsonw_begin_object(w);
    jsonw_kint(w, "port", one->number);
    jsonw_kbool(w, "online", one->result.reachable);
    if (one->result.reachable) {
        jsonw_kseconds(w, "latency_ms", one->result.latency_ms);
    } else {
        jsonw_kstr(w, "error", one->result.word);
        jsonw_kstr(w, "message", one->result.detail);
    }
    jsonw_end_object(w);
}

static void answer_ports(struct ports *p)
{
    struct call *c = p->c;
    struct buf b;
    struct jsonw w;
    bool all = true;
    for (size_t i = 0; i < p->count; i++)
        all = all && p->ports[i].result.reachable;
    pending_end(&p->pending);
    free_probes(p);
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "host", call_str(c, "host", "127.0.0.1"));
    jsonw_kseconds(&w, "timeout", (double)p->ms / 1000);
    jsonw_kbool(&w, "all_online", all);
    jsonw_key(&w, "results");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < p->count; i++)
        write_port(&w, &p->ports[i]);
    jsonw_end_array(&w);
    call_reply(c, 200, &b, &w);
}

static void on_probed(void *arg, const struct tcp_probe_result *r)
{
    struct port *one = arg;
    one->result = *r;
    if (--one->all->open == 0)
        answer_ports(one->all);
}

static bool begin_ports(struct ports *p, struct err *e)
{
    static const int usual[] = {80, 8443, 9000};
    const json_t *given = call_json(p->c, "ports");
    const char *host = call_str(p->c, "host", "127.0.0.1");
    const size_t usual_count = sizeof usual / sizeof *usual;
    p->count = given ? json_array_size(given) : usual_count;
    for (size_t i = 0; i < p->count; i++) {
        struct port *one = &p->ports[i];
        one->all = p;
        one->number = given             ? (int)json_integer_value(json_array_get(given, i))
                      : i < usual_count ? usual[i]
                                        : 0;
        one->probe =
            tcp_probe_start(p->c->app->loop, host, one->number, (unsigned)p->ms, on_probed, one, e);
        if (!one->probe)
            return false;
        p->open++;
    }
    return true;
}

void aio_ports_probe(struct call *c)
{
    struct err e;
    struct ports *p = call_alloc(c, sizeof *p);
    bool fit = true;
    if (!p)
        return;
    if (!aio_host_allowed(&c->app->aio, call_str(c, "host", "127.0.0.1"), NULL))
        fit = err_field(&e, ERR_DISABLED, "host",
                        "only AIO's containers by name, loopback addresses and hosts that "
                        "AIO_HOSTS names are tried");
    if (fit) {
        *p = (struct ports){.c = c, .ms = call_ms(c, "timeout", PORTS_PROBE_MS)};
        fit = begin_ports(p, &e);
        if (!fit)
            free_probes(p);
    }
    if (fit)
        pending_begin(&p->pending, c, free_probes, p);
    else
        call_error(c, &e);
}
