/* app: everything one daemon owns, passed explicitly; built by main.c in order, torn down in
 * reverse. Only api and main see it. */
#ifndef API_APP_H
#define API_APP_H

#include "aio/context.h"
#include "aio/job/job.h"
#include "backup/repo/resolve.h"
#include "backup/run/borgmatic.h"
#include "config.h"
#include "http/http.h"
#include "jobs/hub.h"
#include "jobs/job.h"
#include "jobs/store.h"

#include <stdbool.h>
#include <uv.h>

struct auth;
struct httpc;
struct ratelimit;
struct metrics;
struct probes;
struct feeds;
struct polls;
struct await;
struct pending;
struct idem;
struct audit;
struct hold;
struct tasks;

struct app {
    uv_loop_t *loop;
    struct config *config;
    struct aio_context aio;         /* what AIO's workflow needs of the settings */
    struct aio_job_means aio_means; /* … and what its jobs do */
    struct store *store;
    struct hub *hub;
    struct jobs *jobs;
    struct hold *hold; /* jobs/hold: what an emergency shutdown left */
    struct resolve *resolve;
    struct http_server *http;
    struct httpc *httpc;          /* sys/httpc: calls to Nextcloud */
    struct auth *auth;            /* api/auth: tokens, failures by address, tickets */
    struct ratelimit *ratelimit;  /* api/ratelimit */
    struct metrics *metrics;      /* api/metrics */
    struct probes *probes;        /* api/probes: borgmatic's versions, directories; cached */
    struct feeds *feeds;          /* api/feed: event streams and logs on their way to clients */
    struct polls *polls;          /* api/handlers/poll: polls that wait */
    struct await *awaits;         /* api/await: requests that wait for a job's end; starts NULL */
    struct pending *pending;      /* api/pending: requests that wait for no job; starts NULL */
    struct idem *idem;            /* api/idempotency: keys whose request is in hand; starts NULL */
    struct audit *audit;          /* policy/audit */
    struct tasks *tasks;          /* sys/task; NULL once the daemon goes down */
    const char *const *child_env; /* base environment of every child, NULL-terminated; no secrets */
    const char *child_path;       /* its PATH */
    double started;               /* Unix time */
    bool draining;
};

#endif
