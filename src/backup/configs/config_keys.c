#include "backup/configs/config_keys.h"

#include <string.h>
#include <strings.h>

#define DATA(name, what) \
    { \
        name, CONFIG_PLAIN, CONFIG_SHOW, what, NULL \
    }
#define LINES(name, what) \
    { \
        name, CONFIG_PATTERNS, CONFIG_SHOW, what, NULL \
    }
#define COMMANDS(name) \
    { \
        name, CONFIG_CODE, CONFIG_SHOW_COMMAND, "its value is run by a shell", NULL \
    }
#define DATABASE(name) \
    { \
        name, CONFIG_CODE, CONFIG_SHOW_NAMES, \
            "its commands and options are run to dump and restore", NULL \
    }
#define SNAPSHOT(name) \
    { \
        name, CONFIG_CODE, CONFIG_SHOW_NAMES, "its commands are run to snapshot and mount", NULL \
    }
#define MONITOR(name) \
    { \
        name, CONFIG_CODE, CONFIG_SHOW_NAMES, "it sends requests and logs to an address", NULL \
    }
#define CODE(name, show, why) \
    { \
        name, CONFIG_CODE, show, why, NULL \
    }

const struct config_key config_keys[] = {
    /* ---- what is backed up, and where to ---- */
    DATA("source_directories", "paths that are read"),
    DATA("source_directories_must_exist", "a yes or no"),
    {"repositories", CONFIG_REPOSITORIES, CONFIG_SHOW, "where to; its host is checked",
     " path label encryption append_only storage_quota make_parent_directories make_parent_dirs "},
    DATA("working_directory", "the folder that relative paths start from"),
    DATA("one_file_system", "a yes or no"),
    DATA("numeric_owner", "a yes or no"),
    DATA("numeric_ids", "a yes or no"),
    DATA("atime", "a yes or no"),
    DATA("ctime", "a yes or no"),
    DATA("birthtime", "a yes or no"),
    DATA("read_special", "a yes or no"),
    DATA("bsd_flags", "a yes or no"),
    DATA("flags", "a yes or no"),
    DATA("unsafe_skip_path_validation_before_create", "a yes or no"),
    DATA("files_cache", "one of borg's words"),
    LINES("patterns", "lines of a pattern file"),
    DATA("patterns_from", "files that are read"),
    LINES("exclude_patterns", "lines of a pattern file"),
    DATA("exclude_from", "files that are read"),
    DATA("exclude_caches", "a yes or no"),
    DATA("exclude_if_present", "names of files"),
    DATA("keep_exclude_tags", "a yes or no"),
    DATA("exclude_nodump", "a yes or no"),
    DATA("borgmatic_source_directory", "a folder of borgmatic's own"),
    DATA("user_runtime_directory", "a folder of borgmatic's own"),
    DATA("user_state_directory", "a folder of borgmatic's own"),
    DATA("store_config_files", "a yes or no"),
    {"bootstrap", CONFIG_MEMBERS, CONFIG_SHOW, "a yes or no", " store_config_files "},

    /* ---- how it is stored ---- */
    {"encryption_passphrase", CONFIG_PLAIN, CONFIG_SHOW_NOTHING, "text for borg", NULL},
    DATA("checkpoint_interval", "a number"),
    DATA("checkpoint_volume", "a number"),
    DATA("chunker_params", "numbers for borg"),
    DATA("compression", "one of borg's words"),
    DATA("recompress", "one of borg's words"),
    DATA("remote_rate_limit", "a number"),
    DATA("upload_rate_limit", "a number"),
    DATA("upload_buffer_size", "a number"),
    DATA("retries", "a number"),
    DATA("retry_wait", "a number"),
    DATA("temporary_directory", "a folder of borg's own"),
    DATA("borg_base_directory", "a folder of borg's own"),
    DATA("borg_config_directory", "a folder of borg's own"),
    DATA("borg_cache_directory", "a folder of borg's own"),
    DATA("borg_security_directory", "a folder of borg's own"),
    DATA("borg_keys_directory", "a folder of borg's own"),
    DATA("borg_key_file", "a file that is read"),
    DATA("use_chunks_archive", "a yes or no"),
    DATA("borg_files_cache_ttl", "a number"),
    {"borg_exit_codes", CONFIG_MEMBERS, CONFIG_SHOW, "numbers and words", " code treat_as "},
    DATA("umask", "a number"),
    DATA("lock_wait", "a number"),
    DATA("archive_name_format", "text with borg's placeholders"),
    DATA("match_archives", "a pattern of names"),
    DATA("file_list_format", "text with borg's placeholders"),
    DATA("archive_list_format", "text with borg's placeholders"),
    DATA("relocated_repo_access_is_ok", "a yes or no"),
    DATA("unknown_unencrypted_repo_access_is_ok", "a yes or no"),

    /* ---- how long it is kept, how it is checked ---- */
    DATA("keep_within", "a span of time"),
    DATA("keep_secondly", "a number"),
    DATA("keep_minutely", "a number"),
    DATA("keep_hourly", "a number"),
    DATA("keep_daily", "a number"),
    DATA("keep_weekly", "a number"),
    DATA("keep_monthly", "a number"),
    DATA("keep_yearly", "a number"),
    DATA("keep_13weekly", "a number"),
    DATA("keep_3monthly", "a number"),
    DATA("prefix", "the beginning of names"),
    DATA("compact_threshold", "a number"),
    {"checks", CONFIG_CHECKS, CONFIG_SHOW, "words and numbers",
     " name frequency only_run_on max_duration count_tolerance_percentage data_sample_percentage "
     "data_tolerance_percentage "},
    DATA("check_repositories", "names or paths of repositories"),
    DATA("check_last", "a number"),
    DATA("skip_actions", "words"),
    DATA("default_actions", "a yes or no"),

    /* ---- how it is told ---- */
    DATA("color", "a yes or no"),
    DATA("verbosity", "a number"),
    DATA("syslog_verbosity", "a number"),
    DATA("log_file_verbosity", "a number"),
    DATA("monitoring_verbosity", "a number"),
    DATA("log_json", "a yes or no"),
    DATA("progress", "a yes or no"),
    DATA("statistics", "a yes or no"),
    DATA("list_details", "a yes or no"),

    /* ---- what runs something, or reaches a command line ---- */
    CODE("encryption_passcommand", CONFIG_SHOW_NOTHING, "its value is run for the passphrase"),
    CODE("ssh_command", CONFIG_SHOW_COMMAND, "its value is run instead of ssh"),
    CODE("local_path", CONFIG_SHOW, "it is run instead of borg"),
    CODE("remote_path", CONFIG_SHOW, "it is run on the server instead of borg"),
    CODE("extra_borg_options", CONFIG_SHOW_NAMES,
         "its values are options of borg, --rsh among them"),
    CODE("constants", CONFIG_SHOW_NAMES, "it puts text where it was not looked at"),
    CODE("log_file", CONFIG_SHOW, "any file can be written with it"),
    CODE("log_file_format", CONFIG_SHOW, "it decides what is written to log_file"),
    CODE("debug_passphrase", CONFIG_SHOW, "it makes borg print passphrases"),
    CODE("display_passphrase", CONFIG_SHOW, "it makes borg print passphrases"),
    CODE("check_i_know_what_i_am_doing", CONFIG_SHOW, "it answers borg's question before a repair"),
    COMMANDS("before_actions"),
    COMMANDS("after_actions"),
    COMMANDS("before_backup"),
    COMMANDS("after_backup"),
    COMMANDS("before_prune"),
    COMMANDS("after_prune"),
    COMMANDS("before_compact"),
    COMMANDS("after_compact"),
    COMMANDS("before_check"),
    COMMANDS("after_check"),
    COMMANDS("before_extract"),
    COMMANDS("after_extract"),
    COMMANDS("before_everything"),
    COMMANDS("after_everything"),
    COMMANDS("on_error"),
    CODE("commands", CONFIG_SHOW_NAMES, "its values are run by a shell"),
    DATABASE("postgresql_databases"),
    DATABASE("mysql_databases"),
    DATABASE("mariadb_databases"),
    DATABASE("mongodb_databases"),
    DATABASE("sqlite_databases"),
    SNAPSHOT("zfs"),
    SNAPSHOT("btrfs"),
    SNAPSHOT("lvm"),
    CODE("container", CONFIG_SHOW_NAMES, "it decides where credentials are read from"),
    CODE("keepassxc", CONFIG_SHOW_NAMES, "its command is run for credentials"),
    MONITOR("ntfy"),
    MONITOR("pushover"),
    MONITOR("zabbix"),
    MONITOR("apprise"),
    MONITOR("healthchecks"),
    MONITOR("watchgoose"),
    MONITOR("uptime_kuma"),
    MONITOR("cronitor"),
    MONITOR("pagerduty"),
    MONITOR("cronhub"),
    MONITOR("loki"),
    MONITOR("sentry"),
    {NULL, CONFIG_CODE, CONFIG_SHOW_NOTHING, NULL, NULL},
};

const struct config_key *config_key(const char *name)
{
    for (const struct config_key *k = config_keys; k->name; k++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

static bool among(const char *const *words, const char *name)
{
    for (; *words; words++)
        if (strcmp(*words, name) == 0)
            return true;
    return false;
}

bool config_section(const char *name)
{
    static const char *const sections[] = {"location", "storage", "retention", "consistency",
                                           "output",   "hooks",   NULL};
    return among(sections, name);
}

bool config_member(const struct config_key *key, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = key->members; at && n > 0 && (at = strstr(at, name)) != NULL; at += n)
        if (at[-1] == ' ' && at[n] == ' ')
            return true;
    return false;
}

bool config_secret_name(const char *name, size_t n)
{
    static const char *const parts[] = {"pass",    "secret",   "token",   "credential",
                                        "api_key", "apikey",   "private", "auth",
                                        "_key",    "ping_url", "push_url"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t k = strlen(parts[i]);
        for (size_t at = 0; at + k <= n; at++)
            if (strncasecmp(name + at, parts[i], k) == 0)
                return true;
    }
    return false;
}

bool config_harmless_name(const char *name)
{
    static const char *const names[] = {"after",
                                        "authentication_database",
                                        "before",
                                        "format",
                                        "hostname",
                                        "label",
                                        "name",
                                        "path",
                                        "ping_body_limit",
                                        "port",
                                        "priority",
                                        "restore_hostname",
                                        "restore_port",
                                        "send_logs",
                                        "ssl_mode",
                                        "states",
                                        "tags",
                                        "title",
                                        "verify_tls",
                                        "when",
                                        "add_drop_database",
                                        "container",
                                        "tls",
                                        "create_slug",
                                        "itemid",
                                        "send_test",
                                        NULL};
    return among(names, name);
}
