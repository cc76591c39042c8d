/* POST /nextcloud/serverinfo: asks Nextcloud's serverinfo app in the caller's name. What is sent is
 * put together from the parts that were looked at, so that host and path are what they seem; user
 * and password go into one header and are wiped with the request. */
#include "aio/config/config_file.h"
#include "aio/look/hosts.h"
#include "api/handlers/aio_probe.h"
#include "api/pending.h"
#include "api/worker.h"
#include "base/json.h"
#include "limits.h"
#include "sys/httpc.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define USUAL_URL "http://nextcloud-aio-apache:11000"
#define INFO_PATH "/ocs/v2.php/apps/serverinfo/api/v1/info?format=json"

struct question {
    struct call *c;
    struct base_url url;
    const char *config_file;
    struct aio_settings settings; /* the worker's */
    struct httpc_call *asking;
    struct pending pending;
};

/* ---- the answer ---- */

static void answer_badly(struct call *c, enum err_code code, int status, const char *what)
{
    struct err e;
    struct buf b;
    struct jsonw w;
    if (code == ERR_LOGIN_REFUSED)
        (void)err_field(&e, code, "app_password", "%s", what);
    else
        (void)err_set(&e, code, "%s", what);
    call_begin_error(c, &b, &w, &e);
    jsonw_key(&w, "upstream_status");
    if (status)
        jsonw_int(&w, status);
    else
        jsonw_null(&w);
    call_reply(c, err_status(code), &b, &w);
}

static void answer_status(struct call *c, int status)
{
    char what[160];
    if (status == 401) {
        answer_badly(c, ERR_LOGIN_REFUSED, status, "Nextcloud refused user and app_password");
    } else if (status == 403) {
        answer_badly(c, ERR_LOGIN_REFUSED, status,
                     "Nextcloud does not let this user ask: an administrator is needed");
    } else if (status >= 300 && status < 400) {
        answer_badly(c, ERR_PROXY, status,
                     "Nextcloud answered with a redirect, and none is followed: give the address "
                     "it leads to as base_url");
    } else {
        (void)snprintf(what, sizeof what, "Nextcloud answered with status %d%s", status,
                       status == 404 ? ": is its serverinfo app enabled?" : "");
        answer_badly(c, ERR_PROXY, status, what);
    }
}

static void answer_well(struct call *c, const struct httpc_reply *r)
{
    struct buf b, text;
    struct jsonw w;
    json_t *said = json_parse(r->body, r->body_len, NULL);
    buf_init(&text, LIMIT_REPLY);
    if (json_is_object(said) && json_write(said, &text)) {
        call_begin(c, &b, &w, true);
        jsonw_kraw(&w, "response", buf_str(&text));
        call_reply(c, 200, &b, &w);
    } else {
        answer_badly(c, ERR_PROXY, r->status, "Nextcloud's answer is no JSON object");
    }
    json_decref(said);
    buf_done(&text);
}

static void on_reply(void *arg, const struct httpc_reply *r, const struct err *e)
{
    struct question *q = arg;
    struct call *c = q->c;
    pending_end(&q->pending);
    if (e) {
        char what[320];
        (void)snprintf(what, sizeof what, "Nextcloud could not be asked: %.280s", e->msg);
        answer_badly(c, ERR_PROXY, 0, what);
    } else if (r->status == 200) {
        answer_well(c, r);
    } else {
        answer_status(c, r->status);
    }
}

/* ---- the question ---- */

static void give_up(void *arg)
{
    struct question *q = arg;
    httpc_cancel(q->asking);
}

/* "Authorization: Basic …"; the caller wipes it. */
static bool login_header(const struct call *c, struct buf *out)
{
    const struct secret *user = call_secret(c, "user"), *password = call_secret(c, "app_password");
    struct buf pair;
    buf_init(&pair, 2 * LIMIT_SECRET + 2);
    /* all the room at once: growing would leave copies behind */
    bool whole = buf_reserve(&pair, pair.max) && buf_reserve(out, out->max) &&
                 buf_puts(&pair, secret_bytes(user)) && buf_putc(&pair, ':') &&
                 buf_puts(&pair, secret_bytes(password));
    char text[sodium_base64_ENCODED_LEN(2 * LIMIT_SECRET + 1, sodium_base64_VARIANT_ORIGINAL)];
    if (whole)
        (void)sodium_bin2base64(text, sizeof text, (const unsigned char *)pair.p, pair.n,
                                sodium_base64_VARIANT_ORIGINAL);
    whole = whole && buf_puts(out, "Authorization: Basic ") && buf_puts(out, text);
    sodium_memzero(text, sizeof text);
    buf_wipe(&pair);
    return whole;
}

static bool begin(struct question *q, struct err *e)
{
    const struct base_url *u = &q->url;
    bool six = strchr(u->host, ':') != NULL;
    char url[AIO_HOST + AIO_PATH + 128];
    (void)snprintf(url, sizeof url, "%s://%s%s%s:%d%s" INFO_PATH, u->tls ? "https" : "http",
                   six ? "[" : "", u->host, six ? "]" : "", u->port, u->path);
    struct buf login;
    buf_init(&login, 4 * LIMIT_SECRET);
    if (login_header(q->c, &login)) {
        const char *const headers[] = {buf_str(&login), "OCS-APIRequest: true",
                                       "Accept: application/json", NULL};
        const struct httpc_request r = {.method = "GET",
                                        .url = url,
                                        .headers = headers,
                                        .timeout_ms = SERVERINFO_MS,
                                        .reply_max = SERVERINFO_MAX,
                                        .done = on_reply,
                                        .arg = q};
        q->asking = httpc_start(q->c->app->httpc, &r, e);
    } else {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for this request");
    }
    buf_wipe(&login);
    return q->asking != NULL;
}

static void ask(struct question *q)
{
    struct err e;
    if (begin(q, &e))
        pending_begin(&q->pending, q->c, give_up, q);
    else
        call_error(q->c, &e);
}

/* ---- who may be asked ---- */

static void read_domain(void *data)
{
    struct question *q = data;
    struct err e;
    if (!config_file_read(q->config_file, &q->settings, &e))
        q->settings.domain[0] = '\0'; /* then it names no host */
}

static void after_domain(struct call *c, void *data)
{
    struct question *q = data;
    struct err e;
    if (aio_host_allowed(&c->app->aio, q->url.host, q->settings.domain)) {
        ask(q);
        return;
    }
    (void)err_field(&e, ERR_DISABLED, "base_url",
                    "only AIO's own domain and containers, loopback addresses and hosts that "
                    "AIO_HOSTS names are asked");
    call_error(c, &e);
}

void aio_serverinfo(struct call *c)
{
    struct err e;
    struct question *q = call_alloc(c, sizeof *q);
    bool fit = true;
    if (!q)
        return;
    if (strchr(secret_bytes(call_secret(c, "user")), ':'))
        fit = err_field(&e, ERR_BAD_REQUEST, "user", "must not hold a colon");
    if (fit) {
        *q = (struct question){.c = c, .config_file = c->app->aio.config_file};
        fit = base_url_parse(call_str(c, "base_url", USUAL_URL), &q->url, &e);
    }
    if (!fit)
        call_error(c, &e);
    else if (aio_host_allowed(&c->app->aio, q->url.host, NULL))
        ask(q);
    else
        (void)call_in_worker(c, read_domain, after_domain, q);
}
