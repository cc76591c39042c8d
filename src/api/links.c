/* The addresses of a job that answers hand out. */
#include "api/auth.h"
#include "api/call.h"
#include "jobs/job.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

/* A Host header goes back to the client as part of an address: only what can be a host and a port,
 * so that nobody puts more into it. */
static bool host_ok(const char *host)
{
    size_t n = strlen(host);
    if (n == 0 || n > 255)
        return false;
    size_t name = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (*host == '[' && (name > n || strspn(host + 1, "0123456789abcdefABCDEF:.") != name - 2))
        return false;
    if (*host != '[' &&
        (name == 0 ||
         strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") < name))
        return false;
    if (!host[name])
        return true;
    size_t digits = strlen(host + name + 1);
    return host[name] == ':' && digits >= 1 && digits <= 5 &&
           strspn(host + name + 1, "0123456789") == digits;
}

static void base_address(const struct call *c, char *out, size_t size)
{
    const struct config *set = c->app->config;
    const char *host = http_header(c->req, "host");
    bool v6 = strchr(set->api_bind, ':') != NULL;
    if (*set->sse_base_url)
        (void)snprintf(out, size, "%s", set->sse_base_url);
    else if (host && host_ok(host))
        (void)snprintf(out, size, "http://%s", host);
    else
        (void)snprintf(out, size, "http://%s%s%s:%d", v6 ? "[" : "", set->api_bind, v6 ? "]" : "",
                       http_server_port(c->app->http));
}

void call_job_links(struct call *c, struct jsonw *w, const char *job)
{
    char base[512], ticket[AUTH_TICKET], url[1024];
    base_address(c, base, sizeof base);
    auth_ticket(c->app->auth, job, ticket);
    (void)snprintf(url, sizeof url, "%s/events/stream?job_id=%s&ticket=%s", base, job, ticket);
    jsonw_kstr(w, "sse", url);
    (void)snprintf(url, sizeof url, "%s/events/poll/%s", base, job);
    jsonw_kstr(w, "poll", url);
}

void call_job_record(struct jsonw *w, const struct job *j)
{
    jsonw_key(w, "job");
    job_render(j, w->b);
    w->comma = true;
}

void call_job_started(struct call *c, int status, const struct job *j)
{
    struct buf b;
    struct jsonw w;
    if (status == 202) {
        char place[160];
        (void)snprintf(place, sizeof place, "/jobs/%s", job_id(j));
        http_add_header(c->req, "Location", place);
    }
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    jsonw_key(&w, "pid");
    if (job_pid(j) > 0)
        jsonw_int(&w, job_pid(j));
    else
        jsonw_null(&w);
    call_job_links(c, &w, job_id(j));
    call_reply(c, status, &b, &w);
}

void call_job_pending(struct call *c, struct job *j)
{
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kbool(&w, "pending", true);
    jsonw_kstr(&w, "job_id", job_id(j));
    jsonw_kstr(&w, "state", job_state_name(job_state(j)));
    call_job_links(c, &w, job_id(j));
    c->members(c, &w, j);
    call_reply(c, 200, &b, &w);
}
