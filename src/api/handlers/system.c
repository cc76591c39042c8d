#include "api/handlers/system.h"

#include "api/feed.h"
#include "api/metrics.h"
#include "api/probes.h"
#include "jobs/job.h"
#include "jobs/store.h"
#include "limits.h"

#include <string.h>
#include <strings.h>
#include <sys/time.h>

static double unix_now(void)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static const char *docker_mode(const struct config *set)
{
    return strncmp(set->docker_host, "tcp://", 6) == 0 ? "Socket Proxy" : "Direct Socket";
}

void system_root(struct call *c)
{
    const struct app *app = c->app;
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "message", "Borgmatic API is alive");
    if (c->role != ROLE_NONE) {
        jsonw_kstr(&w, "version", VERSION);
        jsonw_kseconds(&w, "since", app->started);
        jsonw_kseconds(&w, "uptime", unix_now() - app->started);
        jsonw_kstr(&w, "docker_mode", docker_mode(app->config));
        jsonw_key(&w, "security");
        jsonw_begin_object(&w);
        jsonw_kbool(&w, "exec_whitelist_enabled", true);
        jsonw_key(&w, "allowed_containers");
        jsonw_begin_array(&w);
        if (*app->aio.whitelist.master)
            jsonw_str(&w, app->aio.whitelist.master);
        jsonw_end_array(&w);
        jsonw_end_object(&w);
    }
    call_reply(c, 200, &b, &w);
}

/* ---- health ---- */

void system_health(struct call *c)
{
    struct buf b;
    struct jsonw w;
    struct store_health store;
    store_health(c->app->store, &store);
    struct probes_view v;
    probes_look(c->app->probes, &v);
    bool store_ok = !store.full && store.stalled_ms < STORE_DEAD_MS;
    bool well = store_ok && !*v.borgmatic_problem && !*v.config_problem && !*v.ssh_problem &&
                !*v.docker_problem;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "status", well ? "healthy" : "degraded");
    jsonw_key(&w, "checks");
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "api", "ok");
    jsonw_kstr(&w, "docker", v.docker);
    jsonw_kstr(&w, "borgmatic", *v.borgmatic_problem || *v.config_problem ? "error" : "ok");
    jsonw_kstr(&w, "ssh", *v.ssh_problem ? "error" : "ok");
    jsonw_kstr(&w, "store", store_ok ? "ok" : "error");
    jsonw_kstr(&w, "docker_details", v.docker_details);
    jsonw_kstr(&w, "borgmatic_details",
               *v.borgmatic_problem ? v.borgmatic_problem
               : *v.config_problem  ? v.config_problem
                                    : v.borgmatic_details);
    if (*v.ssh_problem)
        jsonw_kstr(&w, "ssh_details", v.ssh_problem);
    jsonw_end_object(&w);
    jsonw_kseconds(&w, "checked", v.checked);
    call_reply(c, 200, &b, &w);
}

/* Liveness. That the loop lives shows in the answer itself; a full disk is no reason to be started
 * anew, a store thread that hangs is. */
void system_health_public(struct call *c)
{
    struct store_health store;
    store_health(c->app->store, &store);
    struct buf b;
    struct jsonw w;
    if (store.stalled_ms >= STORE_DEAD_MS) {
        struct err e = {0};
        (void)err_set(&e, ERR_UNAVAILABLE, "the store does not answer");
        call_begin_error(c, &b, &w, &e);
        jsonw_kstr(&w, "status", "unhealthy");
        call_reply(c, 503, &b, &w);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "status", "healthy");
    call_reply(c, 200, &b, &w);
}

void system_status(struct call *c)
{
    const struct app *app = c->app;
    struct probes_view v;
    probes_look(app->probes, &v);
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_kstr(&w, "version", VERSION);
    jsonw_kstr(&w, "sse_base", app->config->sse_base_url);
    jsonw_kstr(&w, "configs_dir", app->config->config_dir);
    jsonw_kstr(&w, "ssh_dir", app->config->ssh_dir);
    jsonw_kint(&w, "jobs_count", (int64_t)jobs_active(app->jobs));
    jsonw_kint(&w, "jobs_running", (int64_t)jobs_running(app->jobs));
    jsonw_kint(&w, "streams", (int64_t)feeds_count(app->feeds));
    jsonw_kseconds(&w, "now", unix_now());
    jsonw_kseconds(&w, "since", app->started);
    jsonw_kstr(&w, "borgmatic", v.borgmatic_version);
    jsonw_kstr(&w, "borg", v.borg_version);
    jsonw_kstr(&w, "docker_mode", docker_mode(app->config));
    jsonw_kstr(&w, "docker_status", v.docker);
    call_reply(c, 200, &b, &w);
}

void system_ready(struct call *c)
{
    const struct app *app = c->app;
    struct store_health store;
    store_health(app->store, &store);
    struct err e = {0};
    const char *word = NULL;
    if (app->draining)
        (void)err_set(&e, ERR_DRAINING, "the daemon is going down");
    else if (store.full)
        (void)err_set(&e, ERR_STORE_FULL, "the disk of STATE_DIR is full or failing");
    else if (jobs_recovering(app->jobs)) {
        word = err_word(ERR_RECOVERING);
        (void)err_set(&e, ERR_UNAVAILABLE, "jobs of a former life are being put in order");
    }
    struct buf b;
    struct jsonw w;
    if (e.code == ERR_NONE) {
        call_begin(c, &b, &w, true);
        jsonw_kbool(&w, "ready", true);
        jsonw_kint(&w, "sse_heartbeat", app->config->sse_heartbeat_s);
        call_reply(c, 200, &b, &w);
        return;
    }
    http_add_header(c->req, "Retry-After", "2");
    call_begin(c, &b, &w, false);
    jsonw_kstr(&w, "error", word ? word : err_word(e.code));
    jsonw_kstr(&w, "message", e.msg);
    jsonw_kstr(&w, "request_id", c->req->id);
    jsonw_kbool(&w, "ready", false);
    call_reply(c, 503, &b, &w);
}

/* ---- metrics ---- */

void system_metrics(struct call *c)
{
    const char *accept = http_header(c->req, "accept"), *format = call_str(c, "format", "");
    bool open = accept && strstr(accept, "application/openmetrics-text");
    bool text = accept && strstr(accept, "text/plain");
    struct err e = {0};
    if (*format && strcmp(format, "json") != 0 && strcmp(format, "prometheus") != 0) {
        (void)err_field(&e, ERR_BAD_REQUEST, "format", "must be json or prometheus");
        call_error(c, &e);
        return;
    }
    struct buf b;
    struct jsonw w;
    if (strcmp(format, "prometheus") == 0 || (!*format && (open || text))) {
        buf_init(&b, LIMIT_REPLY);
        metrics_prometheus(c->app->metrics, c->app, open, &b);
        call_send(c, 200,
                  open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8",
                  &b);
        buf_done(&b);
        return;
    }
    call_begin(c, &b, &w, true);
    metrics_json(c->app->metrics, c->app, &w);
    call_reply(c, 200, &b, &w);
}
