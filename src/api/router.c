#include "api/route.h"

#include "api/auth.h"
#include "api/match.h"
#include "api/metrics.h"
#include "api/params.h"
#include "api/query.h"
#include "api/ratelimit.h"
#include "config_table.h"
#include "limits.h"
#include "sys/log.h"

#include <stdio.h>
#include <string.h>

/* ---- no such row ---- */

static void add_allow(struct call *c, unsigned allowed)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    char list[64];
    size_t n = 0;
    for (unsigned m = 0; m < sizeof names / sizeof *names; m++)
        if (allowed & 1U << m || m == HTTP_M_OPTIONS)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", names[m]);
    http_add_header(c->req, "Allow", list);
}

static void unmatched(struct call *c, unsigned allowed)
{
    struct err e = {0};
    bool whole_server = strcmp(c->req->path, "*") == 0;
    if (c->req->method == HTTP_M_OPTIONS && (allowed || whole_server)) {
        add_allow(c, whole_server ? ~0U : allowed);
        call_send(c, 204, NULL, NULL);
        return;
    }
    if (allowed) {
        add_allow(c, allowed);
        (void)err_set(&e, ERR_METHOD_NOT_ALLOWED, "%.32s is not possible here",
                      c->req->method_name);
    } else {
        (void)err_set(&e, ERR_NOT_FOUND, "no such address");
    }
    call_error(c, &e);
}

/* ---- who, and is it allowed ---- */

static bool role_may(enum access a, enum role r)
{
    bool writes = r == ROLE_WRITE || r == ROLE_ADMIN;
    switch (a) {
    case ACCESS_PUBLIC:
        return true;
    case ACCESS_READ:
        return writes || r == ROLE_READ;
    case ACCESS_READ_OR_TICKET:
        return writes || r == ROLE_READ || r == ROLE_TICKET;
    case ACCESS_WRITE:
    case ACCESS_ADMIN:
        return writes;
    }
    return false;
}

/* The ticket and the job it is to be for, of a stream's address. */
static void find_ticket(struct call *c, struct auth_need *need)
{
    struct query_arg args[LIMIT_QUERY_ARGS];
    size_t n = 0;
    struct err e = {0};
    if (!*c->req->query ||
        !query_parse(&c->req->arena, c->req->query, args, LIMIT_QUERY_ARGS, &n, &e))
        return;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(args[i].name, "ticket") == 0)
            need->sent = args[i].value;
        else if (strcmp(args[i].name, "job_id") == 0)
            need->job = args[i].value;
    }
    if (c->path_values[0])
        need->job = query_decode(&c->req->arena, c->path_values[0], c->path_lengths[0], false, &e);
}

static bool check_access(struct call *c, struct err *e)
{
    const struct route *r = c->route;
    struct auth_need need = {.no_header = r->no_header};
    need.read = r->access == ACCESS_READ || r->access == ACCESS_READ_OR_TICKET;
    if (r->access == ACCESS_READ_OR_TICKET)
        find_ticket(c, &need);
    struct auth_who who;
    bool known = auth_check(c->app->auth, c->req, &need, uv_now(c->app->loop), &who, e);
    c->role = who.role;
    memcpy(c->identity, who.identity, sizeof c->identity);
    c->invalid_credential = who.invalid_credential;
    c->retry_after_s = who.retry_after_s;
    if (r->access == ACCESS_PUBLIC)
        return true;
    if (!known)
        return false;
    if (!role_may(r->access, c->role))
        return err_set(e, ERR_INSUFFICIENT_ROLE, "the %s token may not do this",
                       role_name(c->role));
    return true;
}

static bool check_flag(const struct call *c, struct err *e)
{
    const struct setting *s = c->route->flag ? config_setting(c->route->flag) : NULL;
    if (!s || *(const bool *)((const char *)c->app->config + s->offset))
        return true;
    return err_set(e, ERR_DISABLED, "switched off by %s", s->name);
}

/* The row whose calls are counted: an alias's are those of its original. */
static const struct route *rate_row(const struct route *r)
{
    for (size_t i = 0; r->rate_as && i < route_count; i++)
        if (strcmp(routes[i].operation, r->rate_as) == 0)
            return &routes[i];
    return r;
}

static bool check_rate(struct call *c, struct err *e)
{
    const struct route *r = rate_row(c->route);
    if (!r->rate_max)
        return true;
    struct rate_answer a = ratelimit_take(c->app->ratelimit, c->identity, r, (unsigned)r->rate_max,
                                          (unsigned)r->rate_s, uv_now(c->app->loop));
    char text[128];
    (void)snprintf(text, sizeof text, "\"%s\";q=%u;w=%u", r->operation, a.max, a.window_s);
    http_add_header(c->req, "RateLimit-Policy", text);
    (void)snprintf(text, sizeof text, "\"%s\";r=%u;t=%u", r->operation, a.remaining, a.reset_s);
    http_add_header(c->req, "RateLimit", text);
    if (a.allowed)
        return true;
    c->retry_after_s = a.reset_s;
    metrics_rate_limited(c->app->metrics, r);
    return err_set(e, ERR_RATE_LIMITED, "too many requests");
}

static bool check_open(const struct call *c, struct err *e)
{
    const struct route *r = c->route;
    bool writes = r->access == ACCESS_WRITE || r->access == ACCESS_ADMIN;
    if (!r->starts_job)
        return true;
    if (c->app->draining)
        return err_set(e, ERR_DRAINING, "the daemon is going down and starts nothing new");
    return !writes || r->in_hold || jobs_open(c->app->jobs, e);
}

/* ---- the hooks ---- */

void router_on_head(void *app, struct http_req *req)
{
    struct call *c = arena_alloc(&req->arena, sizeof *c);
    req->user = c;
    if (!c) {
        http_reply(req, 500, NULL, NULL);
        return;
    }
    c->app = app;
    c->req = req;
    unsigned allowed;
    c->route = route_match(routes, route_count, req->method, req->path, c, &allowed);
    if (!c->route) {
        unmatched(c, allowed);
        return;
    }
    if (c->route->body_max)
        req->body_max = c->route->body_max;
    struct err e = {0};
    if (!check_access(c, &e) || !check_flag(c, &e) || !check_open(c, &e) ||
        (!c->route->dry_run_free && !check_rate(c, &e)))
        call_error(c, &e);
}

void router_on_request(void *app, struct http_req *req)
{
    struct call *c = req->user;
    struct err e = {0};
    bool sound = params_headers(c, &e) && params_body(c, &e) && params_check(c, &e);
    if (sound && c->route->dry_run_free && !call_bool(c, "dry_run", false))
        sound = check_rate(c, &e);
    if (sound)
        c->route->handler(c);
    else
        call_error(c, &e);
}

void router_on_error(void *app, const struct http_req *req, const struct err *e,
                     const char *request_id, struct buf *body)
{
    struct jsonw w;
    jsonw_init(&w, body);
    jsonw_begin_object(&w);
    jsonw_kbool(&w, "ok", false);
    jsonw_kstr(&w, "error", err_word(e->code));
    jsonw_kstr(&w, "message", e->msg);
    jsonw_kstr(&w, "request_id", request_id);
    jsonw_end_object(&w);
}

/* Reads that went well are many and say little; the rest is worth a line. */
static enum log_level level_of(const struct http_req *req, int status)
{
    if (status >= 500 && status != 503)
        return LOG_L_WARNING;
    bool reads = req && (req->method == HTTP_M_GET || req->method == HTTP_M_HEAD);
    return status < 400 && reads ? LOG_L_DEBUG : LOG_L_INFO;
}

void router_on_done(void *app, const struct http_req *req, int status, const char *request_id,
                    uint64_t bytes_out)
{
    struct app *a = app;
    const struct call *c = req ? req->user : NULL;
    metrics_request(a->metrics, c ? c->route : NULL, status);
    enum log_level level = level_of(req, status);
    if (!log_wants(level))
        return;
    char code[24], us[24], bytes[24], path[256] = "";
    if (req) /* without the query: it may hold a ticket */
        (void)snprintf(path, sizeof path, "%s", req->path);
    log_event(level, "request", "request_id", request_id, "method", req ? req->method_name : NULL,
              "path", req ? path : NULL, "status", log_int(status, code), "us",
              req ? log_int((int64_t)((uv_hrtime() - req->started_ns) / 1000), us) : NULL, "bytes",
              log_int((int64_t)bytes_out, bytes), "address", req ? req->peer : NULL, "identity",
              c && *c->identity ? c->identity : NULL, NULL);
}
