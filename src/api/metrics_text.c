/* What GET /metrics says, as JSON and as Prometheus text. */
#include "api/metrics.h"

#include "api/feed.h"
#include "api/metrics_internal.h"
#include "api/probes.h"
#include "api/ratelimit.h"
#include "http/http.h"
#include "jobs/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static double uptime(const struct app *app)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6 - app->started;
}

static uint64_t of_code(const struct metrics *m, size_t code)
{
    uint64_t n = 0;
    for (size_t i = 0; i < METRICS_ROUTES; i++)
        n += m->requests[i][code];
    return n;
}

void metrics_json(const struct metrics *m, const struct app *app, struct jsonw *w)
{
    uint64_t all = 0, ok = 0;
    for (size_t k = 0; k < m->code_count; k++) {
        all += of_code(m, k);
        ok += m->codes[k] < 400 ? of_code(m, k) : 0;
    }
    jsonw_key(w, "metrics");
    jsonw_begin_object(w);
    jsonw_kseconds(w, "uptime_seconds", uptime(app));
    jsonw_kint(w, "requests_total", (int64_t)all);
    jsonw_kint(w, "responses_ok", (int64_t)ok);
    for (size_t k = 0; k < m->code_count; k++) {
        char name[40];
        (void)snprintf(name, sizeof name, "responses_error_%d", m->codes[k]);
        if (m->codes[k] >= 400)
            jsonw_kint(w, name, (int64_t)of_code(m, k));
    }
    jsonw_kint(w, "rate_limit_blocked", (int64_t)ratelimit_blocked(app->ratelimit));
    jsonw_kint(w, "sse_clients", (int64_t)feeds_count(app->feeds));
    jsonw_kint(w, "jobs_active", (int64_t)jobs_active(app->jobs));
    jsonw_end_object(w);
}

/* ---- Prometheus ---- */

/* OpenMetrics names a counter without its _total, and a unit that is in the name. */
void metrics_head(struct buf *b, bool open, const char *name, const char *type, const char *help)
{
    size_t n = strlen(name);
    bool total = open && n > 6 && strcmp(name + n - 6, "_total") == 0;
    int shown = (int)(total ? n - 6 : n);
    bool seconds = open && n > 8 && strcmp(name + n - 8, "_seconds") == 0;
    bool bytes = open && n > 6 && strcmp(name + n - 6, "_bytes") == 0;
    (void)buf_printf(b, "# HELP borgmatic_api_%.*s %s\n# TYPE borgmatic_api_%.*s %s\n", shown, name,
                     help, shown, name, open && strcmp(type, "info") == 0 ? "gauge" : type);
    if (seconds || bytes)
        (void)buf_printf(b, "# UNIT borgmatic_api_%s %s\n", name, seconds ? "seconds" : "bytes");
}

static void gauge(struct buf *b, bool open, const char *name, double v, const char *help)
{
    metrics_head(b, open, name, "gauge", help);
    (void)buf_printf(b, "borgmatic_api_%s %.17g\n", name, v);
}

static const char *method_of(const struct route *r)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "other"};
    return names[r->method];
}

static void requests(const struct metrics *m, bool open, struct buf *b)
{
    metrics_head(b, open, "http_requests_total", "counter", "Requests answered.");
    for (size_t i = 0; i < METRICS_ROUTES; i++) {
        const struct route *r = i < route_count ? &routes[i] : NULL;
        if (!r && i != METRICS_ROUTES - 1)
            continue;
        for (size_t k = 0; k < m->code_count; k++)
            if (m->requests[i][k])
                (void)buf_printf(
                    b,
                    "borgmatic_api_http_requests_total{route=\"%s\",method=\"%s\",code=\"%d\"} "
                    "%llu\n",
                    r ? r->pattern : "none", r ? method_of(r) : "other", m->codes[k],
                    (unsigned long long)m->requests[i][k]);
    }
    metrics_head(b, open, "rate_limited_total", "counter", "Requests refused by a rate limit.");
    for (size_t i = 0; i < route_count; i++)
        if (routes[i].rate_max)
            (void)buf_printf(b, "borgmatic_api_rate_limited_total{policy=\"%s\"} %u\n",
                             routes[i].operation, m->limited[metrics_place(&routes[i])]);
}

/* Kinds and labels have an alphabet without quotes and backslashes. */
static void labels(struct buf *b, const char *name, const struct job_series *s)
{
    (void)buf_printf(b, "borgmatic_api_%s{type=\"%s\",target=\"%s\"", name, s->type, s->target);
}

static void jobs_ended(const struct metrics *m, bool open, struct buf *b)
{
    metrics_head(b, open, "jobs_total", "counter", "Jobs ended since the start, by how.");
    for (size_t i = 0; i < m->series_count; i++) {
        for (int k = 0; k < JOB_STATES; k++) {
            if (!job_state_final((enum job_state)k))
                continue;
            labels(b, "jobs_total", &m->series[i]);
            (void)buf_printf(b, ",result=\"%s\"} %llu\n", job_state_name((enum job_state)k),
                             (unsigned long long)m->series[i].ended[k]);
        }
    }
}

static void jobs_last(const struct metrics *m, bool open, struct buf *b)
{
    metrics_head(b, open, "backup_last_success_timestamp_seconds", "gauge",
                 "When the last backup that succeeded ended.");
    for (size_t i = 0; i < m->series_count; i++)
        if (strcmp(m->series[i].type, "create") == 0 && m->series[i].success_ms)
            (void)buf_printf(
                b, "borgmatic_api_backup_last_success_timestamp_seconds{target=\"%s\"} %.3f\n",
                m->series[i].target, (double)m->series[i].success_ms / 1000);
    metrics_head(b, open, "restore_verified_timestamp_seconds", "gauge",
                 "When an archive was last restored and found to be right.");
    for (size_t i = 0; i < m->series_count; i++)
        if (strcmp(m->series[i].type, "verify-restore") == 0 && m->series[i].success_ms)
            (void)buf_printf(
                b, "borgmatic_api_restore_verified_timestamp_seconds{target=\"%s\"} %.3f\n",
                m->series[i].target, (double)m->series[i].success_ms / 1000);
    metrics_head(b, open, "job_last_success", "gauge",
                 "Whether the last job of its kind succeeded.");
    for (size_t i = 0; i < m->series_count; i++) {
        labels(b, "job_last_success", &m->series[i]);
        (void)buf_printf(b, "} %d\n", m->series[i].succeeded);
    }
    metrics_head(b, open, "job_last_duration_seconds", "gauge", "How long it ran.");
    for (size_t i = 0; i < m->series_count; i++) {
        labels(b, "job_last_duration_seconds", &m->series[i]);
        (void)buf_printf(b, "} %.3f\n", m->series[i].seconds);
    }
}

static void ourselves(const struct metrics *m, const struct app *app, bool open, struct buf *b)
{
    struct store_health store;
    store_health(app->store, &store);
    size_t resident = 0;
    struct probes_view v;
    probes_look(app->probes, &v);
    (void)uv_resident_set_memory(&resident);
    metrics_head(b, open, "build_info", "gauge", "What runs.");
    (void)buf_printf(b, "borgmatic_api_build_info{version=\"%s\",borgmatic=\"%s\",borg=\"%s\"} 1\n",
                     VERSION, v.borgmatic_version, v.borg_version);
    gauge(b, open, "uptime_seconds", uptime(app), "Since the start.");
    gauge(b, open, "sse_clients", (double)feeds_count(app->feeds), "Streams being sent.");
    gauge(b, open, "http_connections", (double)http_server_conns(app->http), "Open connections.");
    gauge(b, open, "jobs_active", (double)jobs_active(app->jobs), "Jobs queued or running.");
    gauge(b, open, "loop_lag_seconds", (double)m->lag_ns / 1e9,
          "How late the last tick of the loop was.");
    gauge(b, open, "loop_lag_max_seconds", (double)m->lag_max_ns / 1e9,
          "How late any tick was since the start.");
    gauge(b, open, "store_backlog_bytes", (double)store.backlog, "Waiting to be stored.");
    gauge(b, open, "store_full", store.full ? 1 : 0, "The last write found no room or failed.");
    metrics_head(b, open, "store_commits_total", "counter", "Transactions of the store.");
    (void)buf_printf(b, "borgmatic_api_store_commits_total %llu\n",
                     (unsigned long long)store.commits);
    metrics_head(b, open, "store_failures_total", "counter", "Transactions that failed.");
    (void)buf_printf(b, "borgmatic_api_store_failures_total %llu\n",
                     (unsigned long long)store.failures);
    gauge(b, open, "process_resident_memory_bytes", (double)resident, "Resident memory.");
    gauge(b, open, "collection_timestamp_seconds", app->started + uptime(app),
          "When these values were read.");
}

void metrics_prometheus(const struct metrics *m, const struct app *app, bool openmetrics,
                        struct buf *out)
{
    requests(m, openmetrics, out);
    jobs_ended(m, openmetrics, out);
    jobs_last(m, openmetrics, out);
    metrics_aio_text(m, app, openmetrics, out);
    ourselves(m, app, openmetrics, out);
    if (openmetrics)
        (void)buf_puts(out, "# EOF\n");
}
