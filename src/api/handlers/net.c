/* GET /net/tcp-check. A token that may only read must not make us a scanner of networks: only hosts
 * are tried that a configuration or the operator names. */
#include "api/handlers/net.h"

#include "api/pending.h"
#include "api/survey_call.h"
#include "backup/ssh/ssh_target.h"
#include "limits.h"
#include "sys/tcp_probe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct check {
    struct call *c;
    struct tcp_probe *probe;
    struct pending pending;
};

/* ---- the answer ---- */

static void give_up(void *arg)
{
    struct check *k = arg;
    tcp_probe_free(k->probe);
}

static void on_probed(void *arg, const struct tcp_probe_result *r)
{
    struct check *k = arg;
    struct call *c = k->c;
    struct buf b;
    struct jsonw w;
    pending_end(&k->pending);
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "host", call_str(c, "host", ""));
    jsonw_kint(&w, "port", call_int(c, "port", 0));
    jsonw_kbool(&w, "reachable", r->reachable);
    jsonw_key(&w, "latency_ms");
    if (r->reachable)
        jsonw_seconds(&w, r->latency_ms);
    else
        jsonw_null(&w);
    jsonw_kstr(&w, "address", r->address[0] ? r->address : NULL);
    jsonw_kstr(&w, "error", r->reachable ? NULL : r->word);
    jsonw_kstr(&w, "message", r->reachable ? NULL : r->detail);
    tcp_probe_free(k->probe);
    call_reply(c, 200, &b, &w);
}

static void try_it(struct call *c)
{
    struct err e;
    struct check *k = arena_alloc(&c->req->arena, sizeof *k);
    unsigned ms = (unsigned)call_int(c, "timeout", TCP_CHECK_S) * 1000;
    if (k)
        *k = (struct check){.c = c};
    else
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    if (k)
        k->probe = tcp_probe_start(c->app->loop, call_str(c, "host", ""),
                                   (int)call_int(c, "port", 0), ms, on_probed, k, &e);
    if (k && k->probe)
        pending_begin(&k->pending, c, give_up, k);
    else
        call_error(c, &e);
}

/* ---- who may be asked ---- */

static bool entry_allows(const char *entry, size_t n, const char *host, int port)
{
    const char *name = entry, *colon = NULL;
    size_t len = n;
    if (n > 0 && entry[0] == '[') {
        const char *end = memchr(entry, ']', n);
        if (!end)
            return false;
        name = entry + 1;
        len = (size_t)(end - name);
        colon = end + 1 < entry + n && end[1] == ':' ? end + 1 : NULL;
    } else {
        colon = memchr(entry, ':', n);
        if (colon && memchr(colon + 1, ':', (size_t)(entry + n - colon - 1)))
            colon = NULL; /* an IPv6 address without brackets */
        len = colon ? (size_t)(colon - entry) : n;
    }
    if (len != strlen(host) || strncasecmp(name, host, len) != 0)
        return false;
    return !colon || strtol(colon + 1, NULL, 10) == port;
}

bool net_allowed(const char *list, const char *host, int port)
{
    while (list && *list) {
        list += strspn(list, ", ");
        size_t n = strcspn(list, ", ");
        if (n > 0 && entry_allows(list, n, host, port))
            return true;
        list += n;
    }
    return false;
}

static bool named(const struct survey_config *c, const char *host)
{
    char one[TCP_HOST + 1];
    for (size_t i = 0; c->config && i < c->config->count; i++)
        if (c->config->repos[i].remote &&
            ssh_target_host(c->config->repos[i].location, one, sizeof one) &&
            strcasecmp(one, host) == 0)
            return true;
    return false;
}

static void known(struct call *c, struct lock_survey *s)
{
    size_t silent = 0;
    bool found = false;
    for (size_t i = 0; i < lock_survey_count(s) && !found; i++) {
        found = named(lock_survey_config(s, i), call_str(c, "host", ""));
        silent += !lock_survey_config(s, i)->config;
    }
    lock_survey_free(s);
    if (found) {
        try_it(c);
        return;
    }
    struct err e;
    (void)err_field(&e, ERR_DISABLED, "host",
                    "only hosts that a configuration's repository or PROBE_ALLOW names are tried%s",
                    silent ? "; not every configuration could be understood" : "");
    call_error(c, &e);
}

static bool host_ok(const char *host)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:%-";
    return host[0] != '-' && host[strspn(host, letters)] == '\0';
}

void net_tcp_check(struct call *c)
{
    const char *host = call_str(c, "host", "");
    struct err e;
    if (!host_ok(host)) {
        (void)err_field(&e, ERR_BAD_REQUEST, "host",
                        "must be the name or the address of a host, without scheme and port");
        call_error(c, &e);
    } else if (net_allowed(c->app->config->probe_allow, host, (int)call_int(c, "port", 0))) {
        try_it(c);
    } else {
        survey_call(c, &(struct survey_question){.deadline_ms = TCP_SURVEY_MS, .known = known});
    }
}
