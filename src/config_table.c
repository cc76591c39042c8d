#include "config_table.h"

#include "config.h"

#include <string.h>

#define AT(member) offsetof(struct config, member)

const struct setting config_table[] = {
    {"API_BIND", SETTING_ADDRESS, AT(api_bind), "127.0.0.1", 0, 0, "Listening",
     "Numeric address to listen on. There is no TLS here: beyond loopback, put a private network or "
     "a proxy in front."},
    {"API_PORT", SETTING_INT, AT(api_port), "5000", 0, 65535, NULL,
     "Port to listen on; 0 takes a free one."},
    {"API_SOCKET", SETTING_PATH, AT(api_socket), "", 0, 0, NULL,
     "Unix socket to listen on as well, mode 0660."},
    {"MAX_CONNECTIONS", SETTING_INT, AT(max_conns), "0", 0, 1000000, NULL,
     "Most connections at a time, half of them for one address; 0: what the system allows."},
    {"RATE_LIMIT_SCALE", SETTING_FACTOR, AT(rate_limit_scale), "1", 0, 1000, NULL,
     "Factor on the calls that each rate limit allows; meant for tests."},

    {"API_TOKEN", SETTING_TOKEN, AT(api_token), "", 0, 0, "Who may do what",
     "Token that may do everything. Required in ordinary mode."},
    {"API_READ_TOKEN", SETTING_TOKEN, AT(api_read_token), "", 0, 0, NULL,
     "Token that may read. Required."},
    {"APP_FROM_HEADER", SETTING_STRING, AT(from_header), "BorgmaticAPI", 0, 0, NULL,
     "Value that the header X-From-NodeRed must have. In secure mode it is looked at only when set."},
    {"SECURE_MODE", SETTING_BOOL, AT(secure_mode), "false", 0, 0, NULL,
     "Three role tokens (API_ADMIN_TOKEN, API_ACTION_TOKEN, API_READ_TOKEN) instead of two."},
    {"API_ADMIN_TOKEN", SETTING_TOKEN, AT(api_admin_token), "", 0, 0, NULL,
     "Secure mode: token that may do everything."},
    {"API_ACTION_TOKEN", SETTING_TOKEN, AT(api_action_token), "", 0, 0, NULL,
     "Secure mode: token that may run the listed actions and follow their jobs."},
    {"ENABLE_ADMIN_ENDPOINTS", SETTING_FLAG, AT(enable_admin), "", 0, 0, NULL,
     "Allows the routes for emergencies."},
    {"ENABLE_CONFIG_WRITE", SETTING_FLAG, AT(enable_config_write), "", 0, 0, NULL,
     "Allows changing borgmatic's configuration files."},
    {"ENABLE_CONFIG_CODE", SETTING_BOOL, AT(enable_config_code), "false", 0, 0, NULL,
     "Allows, in configurations that are sent, what runs programs: hooks, commands, tags, ${…}."},
    {"ENABLE_BREAK_LOCK", SETTING_FLAG, AT(enable_break_lock), "", 0, 0, NULL,
     "Allows breaking a repository's lock."},
    {"ENABLE_PASSPHRASE_CHANGE", SETTING_FLAG, AT(enable_passphrase_change), "", 0, 0, NULL,
     "Allows changing a repository's passphrase."},
    {"ENABLE_ARBITRARY_TARGETS", SETTING_FLAG, AT(enable_arbitrary_targets), "", 0, 0, NULL,
     "Allows backup targets that are given with the request."},
    {"ACTIONS_POLICY_PATH", SETTING_PATH, AT(actions_policy), "", 0, 0, NULL,
     "File that lists the actions an action token may run."},
    {"AUDIT_LOG_PATH", SETTING_PATH, AT(audit_log), "", 0, 0, NULL,
     "File that gets one line for each change."},
    {"AUDIT_STDOUT", SETTING_BOOL, AT(audit_stdout), "true", 0, 0, NULL,
     "Writes those lines to standard output as well."},

    {"BORGMATIC_CONFIG_DIR", SETTING_PATH, AT(config_dir), "/etc/borgmatic.d", 0, 0,
     "borg and borgmatic", "Folder of borgmatic's configuration files."},
    {"BORG_BASE_DIR", SETTING_PATH, AT(borg_base_dir), "", 0, 0, NULL,
     "Folder for borg's keys, cache and security data; unset: borg's own choice."},
    {"BORG_SSH_DIR", SETTING_PATH, AT(ssh_dir), "/root/.ssh", 0, 0, NULL,
     "Folder of the SSH keys and known hosts."},
    {"EXTRACT_ROOTS", SETTING_STRING, AT(extract_roots), "/tmp:/mnt", 0, 0, NULL,
     "Folders below which archives may be extracted, exported and mounted, separated by colons."},
    {"PROBE_ALLOW", SETTING_STRING, AT(probe_allow), "", 0, 0, NULL,
     "Hosts that /net/tcp-check may reach beside those that configurations name, separated by "
     "commas."},
    {"CHILD_ENV", SETTING_NAMES, AT(child_env), "", 0, 0, NULL,
     "Names of environment variables that children inherit, separated by commas. Nothing else of "
     "the environment reaches them."},
    {"TZ", SETTING_STRING, AT(tz), "", 0, 0, NULL,
     "Time zone of archive names and of what prune calls a day."},

    {"AIO_MASTER", SETTING_STRING, AT(aio_master), "", 0, 0, "Nextcloud AIO",
     "Name of the master container; unset: AIO's own name; empty: none, and what concerns it is "
     "skipped."},
    {"AIO_DAILY", SETTING_PATH, AT(aio_daily), "/daily-backup.sh", 0, 0, NULL,
     "The daily backup script inside it."},
    {"AIO_HEALTH", SETTING_PATH, AT(aio_health), "/healthcheck.sh", 0, 0, NULL,
     "The health script inside it."},
    {"AIO_CONFIG_FILE", SETTING_PATH, AT(aio_config_file),
     "/mnt/docker-aio-config/data/configuration.json", 0, 0, NULL, "AIO's configuration.json."},
    {"AIO_DUMP_DIR", SETTING_PATH, AT(aio_dump_dir), "", 0, 0, NULL,
     "Where the volume nextcloud_aio_database_dump is mounted for the daemon; unset: the dump "
     "cannot be looked at."},
    {"AIO_HOST_ROOT", SETTING_PATH, AT(aio_host_root), "/", 0, 0, NULL,
     "Where the host's / is for the daemon: backup targets are looked at below it."},
    {"AIO_TARGET_ROOTS", SETTING_STRING, AT(aio_target_roots), "", 0, 0, NULL,
     "Folders of the host below which local backup targets may lie, separated by colons; unset: "
     "anywhere."},
    {"AIO_HOSTS", SETTING_STRING, AT(aio_hosts), "", 0, 0, NULL,
     "More hosts where Nextcloud's ports may answer, separated by commas."},
    {"AIO_STALL_MINUTES", SETTING_INT, AT(aio_stall_minutes), "30", 1, 1440, NULL,
     "Minutes without a line and without I/O after which a run is said to be stalled."},
    {"AIO_SCHEDULE_GUARD_MINUTES", SETTING_INT, AT(aio_schedule_guard_minutes), "30", 0, 1440, NULL,
     "Minutes before AIO's own scheduled run in which no run is begun."},
    {"AIO_PACE", SETTING_INT, AT(aio_pace), "100", 1, 100, NULL,
     "Percent of the waits in AIO's workflow; less is meant for tests."},
    {"AIO_STOP_TIMEOUT", SETTING_INT, AT(aio_stop_timeout_s), "30", 1, 3600, NULL,
     "Seconds that an answer waits for AIO's containers to stop; the stop itself goes on."},
    {"DOCKER_HOST", SETTING_STRING, AT(docker_host), "", 0, 0, NULL,
     "Where the Docker Engine listens: unix:///path or tcp://host:port."},

    {"APP_SSE_HEARTBEAT_SEC", SETTING_INT, AT(sse_heartbeat_s), "15", 1, 3600, "Streams",
     "Seconds of silence after which a stream gets a heartbeat."},
    {"APP_SSE_BASE_URL", SETTING_URL, AT(sse_base_url), "", 0, 0, NULL,
     "Start of the stream addresses handed out; unset: http:// and the request's Host."},
    {"APP_READY_WEBHOOK_URL", SETTING_URL, AT(ready_webhook_url), "", 0, 0, NULL,
     "Address told when the daemon is ready."},

    {"STATE_DIR", SETTING_PATH, AT(state_dir), "/var/lib/borgmatic-api", 0, 0,
     "State, log and going down", "Folder of the daemon's database and sockets; made if absent."},
    {"JOBS_KEEP", SETTING_INT, AT(jobs_keep), "1000", 10, 100000, NULL,
     "Ended jobs kept, newest first; jobs that only read are kept an hour."},
    {"LOG_LEVEL", SETTING_LEVEL, AT(log_level), "info", 0, 0, NULL,
     "Least level that is logged: debug, info, notice, warning or error."},
    {"DRAIN_TIMEOUT", SETTING_INT, AT(drain_timeout_s), "5", 0, 86400, NULL,
     "Seconds that running jobs get after SIGTERM before they are ended. Docker kills after 10."},
};
const size_t config_table_rows = sizeof config_table / sizeof *config_table;

const struct setting_alias config_aliases[] = {
    {"AIO_MASTER_CONTAINER", "AIO_MASTER"},         {"AIO_DAILY_BACKUP_SCRIPT", "AIO_DAILY"},
    {"AIO_HEALTHCHECK_SCRIPT", "AIO_HEALTH"},       {"BORG_CONFIG_DIR", "BORGMATIC_CONFIG_DIR"},
    {"ACTIONS_POLICY_FILE", "ACTIONS_POLICY_PATH"}, {"SSE_HEARTBEAT_SEC", "APP_SSE_HEARTBEAT_SEC"},
    {"SSE_BASE_URL", "APP_SSE_BASE_URL"},           {"READY_WEBHOOK_URL", "APP_READY_WEBHOOK_URL"},
    {"DAILY_STOP_TIMEOUT", "AIO_STOP_TIMEOUT"},
};
const size_t config_alias_count = sizeof config_aliases / sizeof *config_aliases;

const char *const config_without_effect[] = {"API_WORKERS",
                                             "API_THREADS",
                                             "API_TIMEOUT",
                                             "API_KEEPALIVE",
                                             "API_LOGLEVEL",
                                             "USE_SOCKET_PROXY",
                                             "AIO_BORGBACKUP_CONTAINER",
                                             NULL};

const struct setting *config_setting(const char *name)
{
    for (size_t i = 0; i < config_table_rows; i++)
        if (strcmp(config_table[i].name, name) == 0)
            return &config_table[i];
    return NULL;
}

const char *config_type_words(enum setting_type t)
{
    switch (t) {
    case SETTING_STRING:
        return "text";
    case SETTING_PATH:
        return "absolute path";
    case SETTING_ADDRESS:
        return "numeric address";
    case SETTING_URL:
        return "URL";
    case SETTING_NAMES:
        return "list of names";
    case SETTING_LEVEL:
        return "level";
    case SETTING_INT:
        return "whole number";
    case SETTING_FACTOR:
        return "number";
    case SETTING_BOOL:
    case SETTING_FLAG:
        return "true or false";
    case SETTING_TOKEN:
        return "secret";
    }
    return "";
}
