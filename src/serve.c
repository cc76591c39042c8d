#include "serve.h"

#include "aio/job/recover.h"
#include "aio_settings.h"
#include "api/aio_audit.h"
#include "api/app.h"
#include "api/auth.h"
#include "api/feed.h"
#include "api/handlers/poll.h"
#include "api/metrics.h"
#include "api/pending.h"
#include "api/probes.h"
#include "api/ratelimit.h"
#include "api/route.h"
#include "backup/configs/config_put.h"
#include "backup/run/recover.h"
#include "backup/ssh/sshkeys_folder.h"
#include "base/json.h"
#include "base/mem.h"
#include "child_env.h"
#include "jobs/hold.h"
#include "limits.h"
#include "policy/audit.h"
#include "sys/httpc.h"
#include "sys/log.h"
#include "sys/proc.h"
#include "sys/task.h"

#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
    NOTES_MAX = 256 * 1024,
    CLOSE_WAIT_MS = 1000, /* for clients to take their last bytes */
    CLOSE_LOOK_MS = 20,
    HARD_END_MS = END_INT_MS + END_TERM_MS + END_KILL_MS + VERIFY_MS, /* past the drain's timeout */
};

/* The one daemon of this process. Static: it lives as long as the process. */
static struct daemon {
    struct app app;
    struct config config;
    struct child_env child_env;
    struct aio_settings_kept aio_kept;
    struct aio_recovery aio_recovery;
    uv_loop_t loop;
    uv_signal_t on_term, on_int;
    uv_timer_t timer; /* the drain's, then the tasks', then the close's */
    bool listening, signals_open;
    unsigned close_waited_ms;
} d;

/* ---- going down ---- */

static void stop_signals(void)
{
    uv_close((uv_handle_t *)&d.on_term, NULL);
    uv_close((uv_handle_t *)&d.on_int, NULL);
    uv_close((uv_handle_t *)&d.timer, NULL);
    probes_close(d.app.probes);
    metrics_close(d.app.metrics);
    httpc_close(d.app.httpc);
    resolve_free(d.app.resolve);
    proc_reaper_stop();
    log_event(LOG_L_NOTICE, "stopped", NULL);
    log_stop();
}

static void on_store_closed(void *arg)
{
    stop_signals();
}

static void on_hub_closed(void *arg)
{
    store_close(d.app.store, on_store_closed, NULL);
}

static void on_hold_closed(void *arg)
{
    jobs_free(d.app.jobs);
    hub_close(d.app.hub, on_hub_closed, NULL);
}

static void on_http_closed(void *arg)
{
    feeds_close(d.app.feeds);
    polls_free(d.app.polls);
    hold_close(d.app.hold, on_hold_closed, NULL);
}

static void close_http(uv_timer_t *t)
{
    d.close_waited_ms += CLOSE_LOOK_MS;
    if (http_server_conns(d.app.http) && d.close_waited_ms < CLOSE_WAIT_MS)
        return;
    (void)uv_timer_stop(t);
    http_server_close(d.app.http, on_http_closed, NULL);
}

/* Something would not end: the state file is whole at any moment, so leaving is safe; the next
 * start recovers what was running. */
static void leave_at_once(const char *why)
{
    log_event(LOG_L_WARNING, "leaving_at_once", "reason", why, NULL);
    log_stop();
    _exit(EX_OK);
}

static void on_tasks_closed(void *arg)
{
    feeds_stop(d.app.feeds);
    polls_stop(d.app.polls);
    pending_stop(&d.app);
    http_server_drain(d.app.http);
    (void)uv_timer_start(&d.timer, close_http, 0, CLOSE_LOOK_MS);
}

static void on_tasks_hang(uv_timer_t *t)
{
    leave_at_once("a task would not end");
}

/* Requests that wait for the Engine are answered by their tasks' end. */
static void on_jobs_idle(void *arg)
{
    struct tasks *tasks = d.app.tasks;
    d.app.tasks = NULL;
    (void)uv_timer_start(&d.timer, on_tasks_hang, TASKS_END_MS, 0);
    tasks_close(tasks, on_tasks_closed, NULL);
}

static void on_hard_end(uv_timer_t *t)
{
    leave_at_once("a job would not end");
}

static void on_drain_over(uv_timer_t *t)
{
    log_event(LOG_L_NOTICE, "drain_over", NULL);
    jobs_stop_all(d.app.jobs, JOB_STOP_SHUTDOWN);
    (void)uv_timer_start(t, on_hard_end, HARD_END_MS, 0);
}

static void on_signal(uv_signal_t *s, int signum)
{
    if (d.app.draining)
        leave_at_once("told twice");
    d.app.draining = true;
    char n[24];
    log_event(LOG_L_NOTICE, "draining", "running_jobs",
              log_int((int64_t)jobs_running(d.app.jobs), n), NULL);
    (void)uv_timer_start(&d.timer, on_drain_over, (uint64_t)d.config.drain_timeout_s * 1000, 0);
    jobs_drain(d.app.jobs, on_jobs_idle, NULL);
}

/* ---- building ---- */

static bool read_settings(void)
{
    struct buf faults, notices;
    buf_init(&faults, NOTES_MAX);
    buf_init(&notices, NOTES_MAX);
    bool sound = config_load(&d.config, environ, false, &faults, &notices);
    if (!sound)
        (void)fputs(buf_str(&faults), stderr);
    char *save = NULL;
    for (char *line = notices.n ? strtok_r(notices.p, "\n", &save) : NULL; sound && line;
         line = strtok_r(NULL, "\n", &save))
        log_event(LOG_L_NOTICE, "setting", "message", line, NULL);
    buf_done(&faults);
    buf_done(&notices);
    return sound;
}

static bool open_state(struct err *e)
{
    const struct store_settings set = {.dir = d.config.state_dir,
                                       .job_bytes = LIMIT_JOB_BYTES,
                                       .job_events = LIMIT_JOB_LINES,
                                       .all_bytes = LIMIT_STORE_BYTES,
                                       .read_job_keep_s = READ_JOB_KEEP_S,
                                       .jobs_keep = d.config.jobs_keep};
    d.app.store = store_open(&d.loop, &set, e);
    d.app.hub = d.app.store ? hub_new(&d.loop, d.app.store, e) : NULL;
    d.app.jobs = d.app.hub
                     ? jobs_new(&d.loop, d.app.store, d.app.hub, store_last_job_ms(d.app.store), e)
                     : NULL;
    d.app.hold = d.app.jobs ? hold_open(&d.loop, d.config.state_dir, d.app.jobs, e) : NULL;
    return d.app.hold != NULL;
}

static bool open_children(struct err *e)
{
    if (!child_env_build(&d.child_env, &d.config, environ))
        return err_set(e, ERR_NO_MEMORY, "no memory for the children's environment");
    d.app.child_env = d.child_env.entries;
    d.app.child_path = d.child_env.path;
    const struct resolve_settings set = {
        .state_dir = d.config.state_dir, .env = d.app.child_env, .path = d.app.child_path};
    d.app.tasks = tasks_new(&d.loop, e);
    if (!d.app.tasks)
        return false;
    d.app.aio_means = (struct aio_job_means){
        .tasks = d.app.tasks, .context = &d.app.aio, .executed = aio_audit_executed, .arg = &d.app};
    d.app.resolve = resolve_new(&d.loop, &set);
    if (!d.app.resolve)
        return err_set(e, ERR_NO_MEMORY, "no memory");
    d.app.probes =
        probes_new(&d.loop, &d.config, &d.app.tasks, d.app.child_path, d.app.child_env, e);
    return d.app.probes && proc_reaper_start(&d.loop, e);
}

static bool open_api(struct err *e)
{
    static const struct http_callbacks callbacks = {.on_head = router_on_head,
                                                    .on_request = router_on_request,
                                                    .on_error = router_on_error,
                                                    .on_done = router_on_done};
    d.app.httpc = httpc_new(&d.loop, e);
    if (!d.app.httpc)
        return false;
    d.app.auth = auth_new(&d.config, e);
    d.app.ratelimit = ratelimit_new(d.config.rate_limit_scale);
    d.app.metrics = metrics_new(&d.app, e);
    d.app.feeds = feeds_new(&d.loop, d.app.hub, (unsigned)d.config.sse_heartbeat_s, e);
    d.app.polls = polls_new(e);
    if (!d.app.auth || !d.app.ratelimit || !d.app.metrics || !d.app.feeds || !d.app.polls)
        return e->code == ERR_NONE ? err_set(e, ERR_NO_MEMORY, "no memory") : false;
    const struct http_settings set = {.max_conns = (unsigned)d.config.max_conns};
    d.app.http = http_server_new(&d.loop, &callbacks, &d.app, &set, e);
    return d.app.http != NULL;
}

static bool open_audit(struct err *e)
{
    d.app.audit = audit_new(d.config.audit_log, d.config.audit_stdout, e);
    return d.app.audit != NULL;
}

static bool listen_all(struct err *e)
{
    if (!http_listen_tcp(d.app.http, d.config.api_bind, d.config.api_port, e))
        return false;
    if (d.config.api_socket[0] && !http_listen_unix(d.app.http, d.config.api_socket, e))
        return false;
    char port[24];
    log_event(LOG_L_NOTICE, "listening", "address", d.config.api_bind, "port",
              log_int(http_server_port(d.app.http), port), "socket",
              d.config.api_socket[0] ? d.config.api_socket : NULL, "version", VERSION, NULL);
    return true;
}

static void tools_when_known(void *arg,
                             void (*known)(void *known_arg, const struct borgmatic_tools *t),
                             void *known_arg)
{
    probes_tools(d.app.probes, known, known_arg);
}

/* What a crash left in the middle of an exchange of keys; nothing else runs yet. */
static void mend_ssh_keys(void)
{
    struct err e;
    if (!sshkeys_mend(d.config.ssh_dir, &e))
        log_event(LOG_L_WARNING, "ssh_keys", "message", e.msg, NULL);
}

static const char *stack_job(void *arg, const char *job_id)
{
    const struct aio_recovery *r = arg;
    return strcmp(r->of, job_id) == 0 ? r->by : NULL;
}

static bool recover(struct err *e)
{
    const struct recover_settings set = {.loop = &d.loop,
                                         .store = d.app.store,
                                         .jobs = d.app.jobs,
                                         .resolve = d.app.resolve,
                                         .state_dir = d.config.state_dir,
                                         .env = d.app.child_env,
                                         .path = d.app.child_path,
                                         .tools = tools_when_known,
                                         .stack_job = stack_job,
                                         .stack_arg = &d.aio_recovery};
    size_t n = 0;
    char count[24];
    if (!recover_start(&set, &n, e) ||
        !aio_recover_start(&d.app.aio_means, d.app.store, d.app.jobs, &d.aio_recovery, e))
        return false;
    n += d.aio_recovery.count;
    if (n)
        log_event(LOG_L_WARNING, "recovering", "jobs", log_int((int64_t)n, count), NULL);
    return true;
}

static void watch_signals(void)
{
    (void)uv_signal_init(&d.loop, &d.on_term);
    (void)uv_signal_init(&d.loop, &d.on_int);
    (void)uv_timer_init(&d.loop, &d.timer);
    (void)uv_signal_start(&d.on_term, on_signal, SIGTERM);
    (void)uv_signal_start(&d.on_int, on_signal, SIGINT);
}

/* A start that fails leaves by exit: nothing was promised to anyone yet, and the system takes back
 * what was opened. */
static int give_up(const struct err *e)
{
    log_event(LOG_L_ERROR, "start_failed", "message", e->msg, NULL);
    log_stop();
    (void)fprintf(stderr, "borgmatic-api: %s\n", e->msg);
    return EX_UNAVAILABLE;
}

static void prepare_process(void)
{
    (void)umask(077);
    (void)close_range(3, ~0U,
                      CLOSE_RANGE_CLOEXEC); /* what our starter left open is not the children's */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("UV_THREADPOOL_SIZE", "2", 0); /* file looks and /proc scans; each costs memory */
#ifdef __GLIBC__
    (void)mallopt(M_ARENA_MAX, 2);
#endif
}

int serve(void)
{
    prepare_process();
    json_use_wiped_memory();
    if (!read_settings())
        return EX_CONFIG;
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    d.app.loop = &d.loop;
    d.app.config = &d.config;
    d.app.started = (double)now.tv_sec + (double)now.tv_usec / 1e6;
    struct err e = {0};
    if (uv_loop_init(&d.loop) != 0)
        return EX_OSERR;
    log_start(&d.loop, d.config.log_level);
    if (!aio_settings_build(&d.config, &d.aio_kept, &d.app.aio, &e)) {
        (void)give_up(&e);
        return EX_CONFIG;
    }
    if (!open_audit(&e) || !open_state(&e) || !open_children(&e) || !open_api(&e))
        return give_up(&e);
    watch_signals();
    mend_ssh_keys();
    config_put_sweep(d.config.state_dir, d.config.config_dir);
    if (!recover(&e) || !listen_all(&e))
        return give_up(&e);
    (void)uv_run(&d.loop, UV_RUN_DEFAULT);
    int left = uv_loop_close(&d.loop);
    auth_free(d.app.auth);
    ratelimit_free(d.app.ratelimit);
    audit_free(d.app.audit);
    child_env_done(&d.child_env);
    aio_settings_done(&d.aio_kept);
    config_done(&d.config);
    return left == 0 ? EX_OK : EX_SOFTWARE;
}
