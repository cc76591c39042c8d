#include "api/call.h"

#include "api/idempotency.h"
#include "api/route.h"
#include "base/json.h"
#include "limits.h"
#include "policy/audit.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_AFTER_S = 5 };

/* ---- parameters ---- */

const char *call_str(const struct call *c, const char *name, const char *fallback)
{
    return json_get_str(c->params, name, fallback);
}

int64_t call_int(const struct call *c, const char *name, int64_t fallback)
{
    return json_get_int(c->params, name, fallback);
}

int64_t call_ms(const struct call *c, const char *name, int64_t fallback_ms)
{
    return (int64_t)(json_get_num(c->params, name, (double)fallback_ms / 1000) * 1000 + 0.5);
}

bool call_bool(const struct call *c, const char *name, bool fallback)
{
    return json_get_bool(c->params, name, fallback);
}

bool call_has(const struct call *c, const char *name)
{
    return call_secret(c, name) || json_object_get(c->params, name);
}

const json_t *call_json(const struct call *c, const char *name)
{
    return json_object_get(c->params, name);
}

void call_params(const struct call *c, struct buf *out)
{
    json_t *shown = json_copy(c->params);
    for (const struct param *p = c->route->params; p && p->name; p++)
        if (p->type == PARAM_OBJECT || p->type == PARAM_TEXT)
            (void)json_object_del(shown, p->name);
    if (!shown || !json_write(shown, out))
        buf_reset(out);
    json_decref(shown);
}

const struct secret *call_secret(const struct call *c, const char *name)
{
    for (size_t i = 0; i < c->secret_count; i++)
        if (strcmp(c->secrets[i].name, name) == 0)
            return c->secrets[i].value;
    return NULL;
}

const char *call_bytes(const struct call *c, const char *name, const char *fallback)
{
    for (size_t i = 0; i < c->bytes_count; i++)
        if (strcmp(c->bytes[i].name, name) == 0)
            return c->bytes[i].value;
    return fallback;
}

/* ---- answers ---- */

/* What the call holds outside the request's arena. */
static void release(struct call *c)
{
    idempotency_over(c);
    for (size_t i = 0; i < c->secret_count; i++)
        secret_free(c->secrets[i].value);
    c->secret_count = 0;
    json_decref(c->body);
    json_decref(c->params);
    c->body = c->params = NULL;
}

static void add_headers(struct call *c, const char *cache)
{
    http_add_header(c->req, "Cache-Control", cache);
    http_add_header(c->req, "X-Content-Type-Options", "nosniff");
    http_add_header(c->req, "X-Frame-Options", "DENY");
    if (c->role == ROLE_TICKET) /* the page that has a ticket may come from anywhere */
        http_add_header(c->req, "Access-Control-Allow-Origin", "*");
}

void call_send(struct call *c, int status, const char *type, struct buf *body)
{
    add_headers(c, "no-store");
    release(c);
    http_reply(c->req, status, type, body);
}

struct http_stream *call_stream(struct call *c, int status, const char *type,
                                const struct http_stream_cb *cb, void *arg)
{
    add_headers(c, "no-cache");
    release(c);
    return http_stream_begin(c->req, status, type, cb, arg);
}

void call_begin(struct call *c, struct buf *b, struct jsonw *w, bool ok)
{
    buf_init(b, LIMIT_REPLY);
    jsonw_init(w, b);
    jsonw_begin_object(w);
    jsonw_kbool(w, "ok", ok);
}

void call_reply(struct call *c, int status, struct buf *b, struct jsonw *w)
{
    if (c->ignored_count) {
        jsonw_key(w, "ignored");
        jsonw_begin_array(w);
        for (size_t i = 0; i < c->ignored_count; i++)
            jsonw_str(w, c->ignored[i]);
        jsonw_end_array(w);
    }
    jsonw_end_object(w);
    call_send(c, status, "application/json; charset=utf-8", b);
    buf_done(b);
}

static void write_faults(struct call *c, struct jsonw *w, const struct err *e)
{
    if (!c->fault_count && !*e->field)
        return;
    jsonw_key(w, "errors");
    jsonw_begin_array(w);
    for (size_t i = 0; i < c->fault_count; i++) {
        jsonw_begin_object(w);
        jsonw_kstr(w, "field", c->faults[i].field);
        jsonw_kstr(w, "message", c->faults[i].message);
        jsonw_end_object(w);
    }
    if (!c->fault_count) {
        jsonw_begin_object(w);
        jsonw_kstr(w, "field", e->field);
        jsonw_kstr(w, "message", e->msg);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void error_headers(struct call *c, int status)
{
    if (status == 401)
        http_add_header(c->req, "WWW-Authenticate",
                        c->invalid_credential
                            ? "Bearer realm=\"borgmatic-api\", error=\"invalid_token\""
                            : "Bearer realm=\"borgmatic-api\"");
    if (status == 503 || status == 429) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%u",
                       c->retry_after_s ? c->retry_after_s : RETRY_AFTER_S);
        http_add_header(c->req, "Retry-After", seconds);
    }
}

void call_begin_error(struct call *c, struct buf *b, struct jsonw *w, const struct err *e)
{
    error_headers(c, err_status(e->code));
    call_begin(c, b, w, false);
    jsonw_kstr(w, "error", err_word(e->code));
    jsonw_kstr(w, "message", e->msg);
    jsonw_kstr(w, "request_id", c->req->id);
    write_faults(c, w, e);
}

void call_error_memory(struct call *c)
{
    struct err e;
    (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    call_error(c, &e);
}

void *call_alloc(struct call *c, size_t n)
{
    void *p = arena_alloc(&c->req->arena, n);
    if (!p)
        call_error_memory(c);
    return p;
}

void call_error_job(struct call *c, const struct err *e, const char *job_id)
{
    struct buf b;
    struct jsonw w;
    call_begin_error(c, &b, &w, e);
    if (job_id)
        jsonw_kstr(&w, "job_id", job_id);
    call_reply(c, err_status(e->code), &b, &w);
}

void call_error(struct call *c, const struct err *e)
{
    call_error_job(c, e, NULL);
}

bool call_audit_note(struct call *c, const char *action, const char *label, const char *job,
                     const char *outcome)
{
    const struct audit_entry entry = {.action = action,
                                      .role = role_name(c->role),
                                      .identity = c->identity,
                                      .address = c->req->peer,
                                      .request_id = c->req->id,
                                      .label = label,
                                      .job = job,
                                      .outcome = outcome};
    return audit_write(c->app->audit, &entry);
}

bool call_audit(struct call *c, const char *action, const char *label, const char *reason,
                const char *job, const char *outcome)
{
    const struct audit_entry entry = {.action = action,
                                      .role = role_name(c->role),
                                      .identity = c->identity,
                                      .address = c->req->peer,
                                      .request_id = c->req->id,
                                      .label = label,
                                      .reason = reason,
                                      .job = job,
                                      .outcome = outcome};
    if (audit_write(c->app->audit, &entry))
        return true;
    struct err e;
    (void)err_set(&e, ERR_UNAVAILABLE, "the audit log cannot be written, so this is not done");
    call_error(c, &e);
    return false;
}
