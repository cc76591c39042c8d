/* config: the settings, read once from the environment by one table (config.c).
 *
 * The table gives name, type, default, range, whether it is a secret, and a line of help; parsing,
 * --help, docs/settings.md and the redacted dump come from it. All faults are reported together.
 * Secrets have a NAME_FILE twin. After config_load the environment no longer holds a secret. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "sys/log.h"

#include <stdbool.h>

struct config {
    char *api_bind, *api_socket; /* strings are never NULL; "" when unset */
    int api_port;                /* 0 takes a free port */
    struct secret *api_token, *api_read_token, *api_admin_token, *api_action_token;
    char *from_header; /* APP_FROM_HEADER */
    bool from_header_set;
    bool secure_mode, enable_admin, enable_config_write, enable_config_code, enable_break_lock,
        enable_passphrase_change, enable_arbitrary_targets;
    char *actions_policy, *audit_log;
    bool audit_stdout;
    char *config_dir, *borg_base_dir, *ssh_dir;
    char *aio_master;    /* "" when unset or empty; see aio_master_set */
    bool aio_master_set; /* the variable exists (also when empty) */
    char *aio_daily, *aio_health, *aio_config_file;
    char *aio_dump_dir, *aio_host_root;
    char *aio_target_roots; /* absolute paths, separated by colons */
    char *aio_hosts;        /* separated by commas */
    int aio_stop_timeout_s, aio_stall_minutes, aio_schedule_guard_minutes, aio_pace;
    char *docker_host;
    int sse_heartbeat_s;
    char *sse_base_url, *ready_webhook_url;
    char *tz;
    char *state_dir;
    enum log_level log_level;
    char *child_env;     /* names, separated by commas */
    char *extract_roots; /* absolute paths, separated by colons */
    char *probe_allow;   /* hosts, separated by commas */
    double rate_limit_scale;
    int drain_timeout_s;
    int jobs_keep, max_conns;
};

/* `env` is environ-like. Faults and warnings are appended to `faults` and `notices` one a line;
 * false when there is a fault. Placeholder and equal tokens, bad values and unreadable files are
 * faults; unknown API_*, AIO_*, APP_*, ENABLE_* names are notices (faults under `strict`). */
bool config_load(struct config *c, char **env, bool strict, struct buf *faults,
                 struct buf *notices);
void config_done(struct config *c); /* wipes the secrets */
/* One line a setting, secrets as ***. */
void config_dump(const struct config *c, struct buf *out);
/* The table as --help text and as docs/settings.md. */
void config_help(struct buf *out);
void config_markdown(struct buf *out);

#endif
