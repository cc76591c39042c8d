/* The checks of AIO's configuration and of the files beside it. */
#include "aio/preflight/preflight_internal.h"

#include "aio/target/target.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

enum { WWW_DATA = 33 };

#define MOUNT_IT \
    "mount AIO's volume nextcloud_aio_mastercontainer for the daemon and set AIO_CONFIG_FILE"

/* A file beside the configuration: 1 there (`st` filled), 0 not there, −1 cannot be seen. */
static int beside(const struct preflight_state *s, const char *name, struct stat *st)
{
    char path[PATH_MAX], folder[PATH_MAX];
    if (!config_file_beside(s->x->config_file, name, path, sizeof path) ||
        !config_file_beside(s->x->config_file, "", folder, sizeof folder))
        return -1;
    if (lstat(path, st) == 0)
        return 1;
    struct stat there;
    return errno == ENOENT && stat(folder, &there) == 0 ? 0 : -1;
}

static void hidden(struct preflight_state *s)
{
    preflight_trouble(s, PREFLIGHT_UNKNOWN, MOUNT_IT, "AIO's folder cannot be seen from here");
}

void check_configuration(struct preflight_state *s)
{
    struct stat st;
    if (s->p->settings_read)
        preflight_say(s, PREFLIGHT_OK, "configuration.json can be read");
    else if (s->settings_why.code != ERR_NOT_FOUND)
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "mend it, or restore it from a backup: AIO cannot work with it either",
                          "%.200s", s->settings_why.msg);
    else if (beside(s, "configuration.json", &st) == 0)
        preflight_trouble(s, PREFLIGHT_FAILED, "set AIO up in its own interface first",
                          "AIO has no configuration.json");
    else
        hidden(s);
}

/* PHP runs as www-data: it cannot work with a file that it cannot read; one of another owner that
 * it can read is replaced by its own at the next write. */
void check_configuration_owner(struct preflight_state *s)
{
    const struct stat *st = &s->p->settings.st;
    bool own = st->st_uid == WWW_DATA && st->st_gid == WWW_DATA;
    bool readable = (st->st_uid == WWW_DATA && (st->st_mode & S_IRUSR)) ||
                    (st->st_uid != WWW_DATA && st->st_gid == WWW_DATA && (st->st_mode & S_IRGRP)) ||
                    (st->st_uid != WWW_DATA && st->st_gid != WWW_DATA && (st->st_mode & S_IROTH));
    const char *remedy = "chown 33:33 configuration.json";
    if (!readable)
        preflight_trouble(s, PREFLIGHT_FAILED, remedy,
                          "AIO cannot read its configuration.json: it belongs to %u:%u, mode %03o",
                          st->st_uid, st->st_gid, (unsigned)(st->st_mode & 07777));
    else if (!own)
        preflight_trouble(s, PREFLIGHT_WARNING, remedy,
                          "configuration.json belongs to %u:%u instead of 33:33", st->st_uid,
                          st->st_gid);
    else
        preflight_say(s, PREFLIGHT_OK, "configuration.json belongs to 33:33");
}

/* AIO always writes by this name; one that it cannot overwrite keeps it from writing at all. */
void check_configuration_leftover(struct preflight_state *s)
{
    struct stat st;
    int there = beside(s, "configuration.json.tmp", &st);
    if (there < 0)
        hidden(s);
    else if (there && st.st_uid != WWW_DATA)
        preflight_trouble(s, PREFLIGHT_FAILED, "remove configuration.json.tmp",
                          "a configuration.json.tmp of user %u keeps AIO from writing its "
                          "configuration",
                          st.st_uid);
    else
        preflight_say(s, PREFLIGHT_OK, "nothing is in the way of AIO's writing");
}

void check_wizard(struct preflight_state *s)
{
    const struct aio_settings *set = &s->p->settings;
    if (!set->wizard_done)
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "finish AIO's setup in its interface: enter the domain and start the "
                          "containers",
                          "AIO's initial setup is not done; its script would do nothing");
    else if (!set->has_domain_key || !set->has_start_key)
        preflight_trouble(s, PREFLIGHT_FAILED, "start the containers in AIO's interface once",
                          "configuration.json lacks a name that borgbackup asks for");
    else
        preflight_say(s, PREFLIGHT_OK, "AIO's initial setup is done");
}

void check_schedule(struct preflight_state *s)
{
    struct aio_schedule when;
    struct err e = {0};
    struct stat st;
    char path[PATH_MAX];
    if (beside(s, "daily_backup_time", &st) < 0 ||
        !config_file_beside(s->x->config_file, "daily_backup_time", path, sizeof path)) {
        hidden(s);
        return;
    }
    if (!config_file_schedule(path, &when, &e)) {
        preflight_trouble(s, PREFLIGHT_UNKNOWN, "set the time of daily backups in AIO anew",
                          "%.200s", e.msg);
        return;
    }
    int minutes = aio_schedule_minutes(&when, time(NULL));
    int hour = when.minute_utc / 60, minute = when.minute_utc % 60;
    if (minutes < 0) {
        preflight_say(s, PREFLIGHT_OK, "AIO has no schedule of its own");
    } else if ((unsigned)minutes < s->x->schedule_guard_minutes) {
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "wait until AIO's own run is over, or lower AIO_SCHEDULE_GUARD_MINUTES",
                          "AIO's own run begins in %d minutes, at %02d:%02d UTC", minutes, hour,
                          minute);
    } else {
        preflight_say(s, PREFLIGHT_OK, "AIO's own run begins in %d minutes, at %02d:%02d UTC",
                      minutes, hour, minute);
    }
}

/* It never keeps the script from running, but one that is left over makes AIO begin its own run as
 * soon as the mastercontainer is restarted. */
void check_lock_file(struct preflight_state *s)
{
    struct stat st;
    int there = beside(s, "daily_backup_running", &st);
    if (there < 0)
        hidden(s);
    else if (there && !aio_look_busy(&s->p->look, NULL) && s->p->look.script_known)
        preflight_trouble(s, PREFLIGHT_WARNING, "remove daily_backup_running",
                          "AIO's daily_backup_running is left over from a run that was cut off");
    else
        preflight_say(s, PREFLIGHT_OK, "no lock file of AIO's is left over");
}

void check_restore_password(struct preflight_state *s)
{
    if (s->p->settings.restore_password)
        preflight_trouble(
            s, PREFLIGHT_WARNING,
            "clear it in AIO unless the target's repository has that passphrase",
            "borg_restore_password is set: AIO uses it instead of its own passphrase");
    else
        preflight_say(s, PREFLIGHT_OK, "AIO uses its own passphrase");
}

void check_target_switched(struct preflight_state *s)
{
    struct target_journal j;
    struct err e = {0};
    if (target_journal_read(s->x, &j, &e)) {
        s->refuse = ERR_TARGET_SWITCHED;
        preflight_trouble(s, PREFLIGHT_FAILED,
                          "wait: it is put back as soon as no run of AIO's is active",
                          "a run has switched AIO's target, and it is not put back yet");
    } else if (e.code != ERR_NOT_FOUND) {
        s->refuse = ERR_TARGET_SWITCHED;
        preflight_trouble(s, PREFLIGHT_FAILED, "see STATE_DIR/aio", "%.200s", e.msg);
    } else {
        preflight_say(s, PREFLIGHT_OK, "AIO's target is its own");
    }
}
