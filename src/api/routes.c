/* THE table: what the daemon answers. Rate limits are those of the reference API. */
#include "api/route.h"

#include "api/handlers/backup.h"
#include "api/handlers/events.h"
#include "api/handlers/jobs.h"
#include "api/handlers/log.h"
#include "api/handlers/poll.h"
#include "api/handlers/system.h"
#include "limits.h"

#define END \
    { \
        .name = NULL \
    }
#define JOB_ID(name) \
    { \
        name, PARAM_PATH, PARAM_JOB_ID, true, 0, 0, "The job's id, such as create:1700000000000." \
    }
#define KINDS \
    { \
        "kinds", PARAM_QUERY, PARAM_STRING, false, 1, 128, \
            "Kinds of events wanted, separated by commas: stdout, stderr, progress, stage, status, done, " \
            "gap." \
    }
#define TICKET \
    { \
        "ticket", PARAM_QUERY, PARAM_STRING, false, 1, 64, \
            "Instead of a token: the ticket of the job's sse address." \
    }

static const struct param metrics_params[] = {
    {"format", PARAM_QUERY, PARAM_STRING, false, 1, 16, "json or prometheus; else Accept decides."},
    END};

static const struct param jobs_params[] = {
    {"state", PARAM_QUERY, PARAM_STRING, false, 1, 16, "Only jobs in this state."},
    {"kind", PARAM_QUERY, PARAM_LABEL, false, 0, 0, "Only jobs of this kind, such as create."},
    {"label", PARAM_QUERY, PARAM_LABEL, false, 0, 0, "Only jobs of this configuration."},
    {"since", PARAM_QUERY, PARAM_INT, false, 0, 99999999999LL,
     "Only jobs queued at or after this Unix time, in seconds."},
    {"limit", PARAM_QUERY, PARAM_INT, false, 1, LIMIT_JOBS_LISTED,
     "How many at most; 50 if unset."},
    {"cursor", PARAM_QUERY, PARAM_INT, false, 1, INT64_MAX,
     "Goes on where the answer with this cursor ended."},
    END};

static const struct param job_params[] = {JOB_ID("id"), END};

static const struct param log_params[] = {
    JOB_ID("id"),
    {"offset", PARAM_QUERY, PARAM_INT, false, 0, INT64_MAX,
     "Bytes of the text to leave out first."},
    {"limit", PARAM_QUERY, PARAM_INT, false, 0, INT64_MAX, "Bytes of the text at most."},
    END};

static const struct param stream_params[] = {
    {"job_id", PARAM_QUERY, PARAM_JOB_ID, false, 0, 0, "The job; unset: all jobs, from now on."},
    KINDS,
    {"cursor", PARAM_QUERY, PARAM_INT, false, 0, INT64_MAX - 1,
     "First id wanted. The header Last-Event-ID (the last id seen) counts more."},
    TICKET,
    END};

static const struct param poll_params[] = {
    JOB_ID("job_id"),
    {"cursor", PARAM_QUERY, PARAM_INT, false, 0, INT64_MAX - 1,
     "First id wanted: the cursor of the answer before."},
    {"wait", PARAM_QUERY, PARAM_INT, false, 0, POLL_WAIT_MAX_MS / 1000,
     "Seconds to wait while there is nothing."},
    KINDS,
    TICKET,
    END};

#define CREATE_PARAMS \
    {"repository", \
     PARAM_BODY, \
     PARAM_LABEL, \
     true, \
     0, \
     0, \
     "Label of the configuration: the name of its file without .yaml."}, \
        {"borg_passphrase", \
         PARAM_BODY, \
         PARAM_SECRET, \
         false, \
         1, \
         0, \
         "The repository's passphrase; it counts more than the configuration's."}, \
        {"ssh_passphrase", \
         PARAM_BODY, \
         PARAM_SECRET, \
         false, \
         0, \
         0, \
         "The SSH key's passphrase; it must differ from the repository's."}, \
        {"stats", PARAM_BODY, PARAM_BOOL, false, 0, 0, "Prints borg's statistics."}, \
        {"progress", PARAM_BODY, PARAM_BOOL, false, 0, 0, "Accepted; progress is always given."}, \
        {"list", PARAM_BODY, PARAM_BOOL, false, 0, 0, "Prints each file's name."}, \
        {"verbosity", PARAM_BODY, PARAM_INT, false, -2, 2, "How much borgmatic says."}, \
        {"comment", PARAM_BODY, PARAM_STRING, false, 0, 1024, "Comment of the archive."}, \
        {"repository_label", \
         PARAM_BODY, \
         PARAM_STRING, \
         false, \
         1, \
         256, \
         "Only this one of the configuration's repositories, by label or path."}, \
        {"stop_timeout", \
         PARAM_BODY, \
         PARAM_INT, \
         false, \
         1, \
         3600, \
         "Seconds the containers get to stop."}, \
        {"timeout", \
         PARAM_BODY, \
         PARAM_INT, \
         false, \
         1, \
         JOB_DEADLINE_S, \
         "Seconds after which the job is ended."}, \
    { \
        "queue", PARAM_BODY, PARAM_BOOL, false, 0, 0, \
            "Waits for its turn when the repository is busy, instead of a 409." \
    }

static const struct param create_params[] = {
    CREATE_PARAMS, {"dry_run", PARAM_BODY, PARAM_BOOL, false, 0, 0, "Writes nothing."}, END};

static const struct param dry_run_params[] = {CREATE_PARAMS, END};

const struct route routes[] = {
    {.method = HTTP_M_GET,
     .pattern = "/",
     .operation = "root",
     .access = ACCESS_PUBLIC,
     .handler = system_root,
     .compatible = true,
     .summary = "Says that the API is there; with a token, more."},
    {.method = HTTP_M_GET,
     .pattern = "/health",
     .operation = "health",
     .access = ACCESS_READ,
     .handler = system_health,
     .compatible = true,
     .summary = "What works and what does not, from cached probes."},
    {.method = HTTP_M_GET,
     .pattern = "/health/public",
     .operation = "health-public",
     .access = ACCESS_PUBLIC,
     .handler = system_health_public,
     .compatible = true,
     .summary = "Liveness, for health checks without a token."},
    {.method = HTTP_M_GET,
     .pattern = "/status",
     .operation = "status",
     .access = ACCESS_READ,
     .handler = system_status,
     .compatible = true,
     .summary = "Settings and numbers at a glance."},
    {.method = HTTP_M_GET,
     .pattern = "/ready",
     .operation = "ready",
     .access = ACCESS_READ,
     .handler = system_ready,
     .compatible = true,
     .summary = "Whether new work is taken; 503 while recovering, going down or out of space."},
    {.method = HTTP_M_GET,
     .pattern = "/metrics",
     .operation = "metrics",
     .access = ACCESS_READ,
     .params = metrics_params,
     .handler = system_metrics,
     .compatible = true,
     .no_header = true,
     .summary = "Counters as JSON, or as Prometheus text."},
    {.method = HTTP_M_GET,
     .pattern = "/jobs",
     .operation = "jobs",
     .access = ACCESS_READ,
     .params = jobs_params,
     .handler = jobs_list,
     .summary = "Jobs, newest first."},
    {.method = HTTP_M_GET,
     .pattern = "/jobs/{id}",
     .operation = "job",
     .access = ACCESS_READ,
     .params = job_params,
     .handler = jobs_get,
     .compatible = true,
     .summary = "One job's record."},
    {.method = HTTP_M_DELETE,
     .pattern = "/jobs/{id}",
     .operation = "job-cancel",
     .access = ACCESS_WRITE,
     .params = job_params,
     .handler = jobs_cancel,
     .summary = "Cancels a job."},
    {.method = HTTP_M_GET,
     .pattern = "/jobs/{id}/log",
     .operation = "job-log",
     .access = ACCESS_READ,
     .params = log_params,
     .handler = jobs_log,
     .summary = "What the job printed, as plain text."},
    {.method = HTTP_M_GET,
     .pattern = "/events/stream",
     .operation = "events-stream",
     .access = ACCESS_READ_OR_TICKET,
     .params = stream_params,
     .handler = events_stream,
     .compatible = true,
     .summary = "Events as they happen (Server-Sent Events)."},
    {.method = HTTP_M_GET,
     .pattern = "/events/poll/{job_id}",
     .operation = "events-poll",
     .access = ACCESS_READ_OR_TICKET,
     .params = poll_params,
     .handler = events_poll,
     .compatible = true,
     .summary = "Events by cursor."},
    {.method = HTTP_M_POST,
     .pattern = "/create-backup",
     .operation = "create-backup",
     .access = ACCESS_WRITE,
     .rate_max = 5,
     .rate_s = 60,
     .params = create_params,
     .handler = backup_create,
     .compatible = true,
     .starts_job = true,
     .summary = "Starts a backup of one configuration."},
    {.method = HTTP_M_POST,
     .pattern = "/create-backup/dry-run",
     .operation = "create-backup-dry-run",
     .access = ACCESS_WRITE,
     .rate_max = 10,
     .rate_s = 60,
     .params = dry_run_params,
     .handler = backup_create_dry_run,
     .compatible = true,
     .awaited = true,
     .starts_job = true,
     .summary = "Runs a backup that writes nothing, and answers with its output."},
};
const size_t route_count = sizeof routes / sizeof *routes;
