#include "api/aio_wants.h"

#include "docker/whitelist.h"

#include <stdio.h>
#include <string.h>

/* The script's flags by their own names; the others of the whitelist's table are the daemon's to
 * set. */
static bool *flag(struct aio_wants *w, const char *key)
{
    const struct {
        const char *key;
        bool *at;
    } flags[] = {{"DAILY_BACKUP", &w->daily_backup},
                 {"CHECK_BACKUP", &w->check_backup},
                 {"STOP_CONTAINERS", &w->stop_containers},
                 {"START_CONTAINERS", &w->start_containers},
                 {"AUTOMATIC_UPDATES", &w->automatic_updates},
                 {"SEND_SUCCESS_NOTIFICATIONS", &w->send_notifications}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flags[i].key, key) == 0)
            return flags[i].at;
    return NULL;
}

static bool in_table(const char *key)
{
    for (const struct whitelist_env *row = whitelist_env_table(); row->key; row++)
        if (strcmp(row->key, key) == 0)
            return true;
    return false;
}

/* The key as it may be shown: it comes from the caller. */
static void shown_key(const char *key, char *out, size_t size)
{
    size_t n = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    (void)snprintf(out, size, "%.*s%s", (int)(n < size - 2 ? n : size - 2), key, key[n] ? "?" : "");
}

static bool extra_entry(struct aio_wants *w, const char *key, const json_t *value, struct err *e)
{
    char shown[48];
    shown_key(key, shown, sizeof shown);
    bool *at = flag(w, key);
    if (!at)
        return err_field(e, ERR_EXEC_FORBIDDEN, "extra_env", "%s %s", shown,
                         in_table(key) ? "is set by the daemon itself" : "may not be set");
    const char *text = json_string_value(value);
    bool one = text && strcmp(text, "1") == 0, zero = text && strcmp(text, "0") == 0;
    if (!one && !zero)
        return err_field(e, ERR_EXEC_FORBIDDEN, "extra_env", "%s must be \"0\" or \"1\"", shown);
    *at = one;
    return true;
}

static bool extra_env(const struct call *c, struct aio_wants *w, struct err *e)
{
    const char *key;
    json_t *value, *extra = (json_t *)(uintptr_t)call_json(c, "extra_env");
    json_object_foreach(extra, key, value)
    {
        if (!extra_entry(w, key, value, e))
            return false;
    }
    return true;
}

/* A script that is told nothing stops everything and starts nothing. */
static bool makes_sense(const struct call *c, const struct aio_wants *w, struct err *e)
{
    if (w->daily_backup && w->check_backup)
        return err_field(e, ERR_BAD_REQUEST, "check_backup",
                         "a backup and a check cannot be in one run: leave one of them out");
    if (w->daily_backup || w->check_backup || w->automatic_updates || w->start_containers)
        return true;
    if (w->stop_containers && call_bool(c, "stop_containers", false))
        return true;
    return err_field(e, ERR_BAD_REQUEST, "daily_backup",
                     "nothing is asked for, and then AIO stops everything: for that use "
                     "/nextcloud/containers/stop, or say \"stop_containers\": true");
}

bool aio_wants_run(const struct call *c, struct aio_wants *w, struct err *e)
{
    bool check = call_bool(c, "check_backup", false);
    *w = (struct aio_wants){
        .check_backup = check,
        .daily_backup = call_bool(c, "daily_backup", !check),
        .stop_containers = call_bool(c, "stop_containers", !check),
        .start_containers = call_bool(c, "start_containers", !check),
        .automatic_updates = call_bool(c, "automatic_updates", false),
        .send_notifications = call_bool(c, "send_success_notifications", true),
        .strict = call_bool(c, "strict", false),
        .restore_after = true,
    };
    return extra_env(c, w, e) && makes_sense(c, w, e);
}

bool aio_wants_flags(const struct call *c, struct aio_wants *w, struct err *e)
{
    static const char *const keys[] = {"STOP_CONTAINERS", "START_CONTAINERS", "AUTOMATIC_UPDATES"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (call_has(c, keys[i]))
            *flag(w, keys[i]) = strcmp(call_str(c, keys[i], "0"), "1") == 0;
    return extra_env(c, w, e);
}

/* ---- targets ---- */

static bool put(char *out, const char *text, const char *field, struct err *e)
{
    size_t n = strlen(text);
    if (n >= AIO_TARGET_MAX)
        return err_field(e, ERR_BAD_REQUEST, field, "at most %d bytes", AIO_TARGET_MAX - 1);
    memcpy(out, text, n + 1);
    return true;
}

/* A path or a volume's name is local; what has a colon is remote. */
static bool one_of_many(struct aio_wants *w, const char *text, struct err *e)
{
    struct aio_target *t = &w->targets[w->target_count];
    bool remote = text[0] != '/' && strchr(text, ':');
    *t = (struct aio_target){0};
    if (!put(remote ? t->remote_repo : t->host_location, text, "targets", e))
        return false;
    if (!aio_target_valid(t, e)) {
        (void)snprintf(e->field, sizeof e->field, "targets");
        return false;
    }
    for (size_t i = 0; i < w->target_count; i++)
        if (aio_target_equal(&w->targets[i], t))
            return err_field(e, ERR_BAD_REQUEST, "targets", "a target stands there twice");
    w->target_count++;
    return true;
}

static bool many(struct aio_wants *w, const json_t *list, struct err *e)
{
    size_t i;
    json_t *one;
    if (json_array_size(list) > AIO_TARGETS_MAX)
        return err_field(e, ERR_BAD_REQUEST, "targets", "at most %d targets in one run",
                         AIO_TARGETS_MAX);
    json_array_foreach(list, i, one)
    {
        if (!one_of_many(w, json_string_value(one), e))
            return false;
    }
    return true;
}

bool aio_wants_targets(const struct call *c, struct aio_wants *w, struct err *e)
{
    const char *local = call_str(c, "host_location", ""), *remote = call_str(c, "remote_repo", "");
    const json_t *list = call_json(c, "targets");
    if ((*local != '\0') + (*remote != '\0') + (list != NULL) > 1)
        return err_field(e, ERR_BAD_REQUEST, *local ? "host_location" : "remote_repo",
                         "host_location, remote_repo and targets exclude each other");
    if (!*local && !*remote && !list)
        return err_field(e, ERR_BAD_REQUEST, "host_location",
                         "host_location or remote_repo required");
    if (!w->daily_backup && !(w->check_backup && json_array_size(list) < 2))
        return err_field(e, ERR_BAD_REQUEST, "daily_backup",
                         "a run for a target is a backup, or for one target a check");
    w->restore_after = call_bool(c, "restore_after", true);
    if (list)
        return many(w, list, e);
    struct aio_target *t = &w->targets[0];
    if (!put(t->host_location, local, "host_location", e) ||
        !put(t->remote_repo, remote, "remote_repo", e) || !aio_target_valid(t, e))
        return false;
    w->target_count = 1;
    return true;
}
