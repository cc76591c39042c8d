/* config_file: AIO's configuration.json: read, and its two keys of the backup target changed.
 *
 * AIO's PHP writes the whole file from a cached copy, by a fixed temporary name and rename, without
 * any lock (aio.md §3.4); so do we, with a name of our own: read, change the two values in the text
 * (everything else stays byte for byte, or as PHP would have written it), write aside, owner and
 * mode as they were, fsync, rename; between read and rename pass CONFIG_FILE_WINDOW_MS at most and
 * the file is looked at again right before. Blocks; a task's thread or a worker. */
#ifndef AIO_CONFIG_FILE_H
#define AIO_CONFIG_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

enum { AIO_TARGET_MAX = 1024 };

/* A backup target: one of the two is not empty, or both are (never configured). */
struct aio_target {
    char host_location[AIO_TARGET_MAX]; /* an absolute path, or a volume's name */
    char remote_repo[AIO_TARGET_MAX];
};
bool aio_target_equal(const struct aio_target *a, const struct aio_target *b);
const char *aio_target_mode(const struct aio_target *t); /* "local", "remote" or "" */
/* What AIO itself demands (aio.md §3.3) and what it should: no ':' or '..' or control characters,
 * a whole ssh:// URL or user@host:path, no leading '-'. Field host_location or remote_repo. */
bool aio_target_valid(const struct aio_target *t, struct err *e);

/* What we read of it; no secret is among it. */
struct aio_settings {
    struct aio_target target;
    bool wizard_done;                   /* wasStartButtonClicked true or 1, and a domain */
    bool has_domain_key, has_start_key; /* borgbackup refuses when a name is absent */
    char backup_mode[32], domain[256], datadir[1024], apache_port[8];
    bool restore_password; /* borg_restore_password is not empty: it overrides the passphrase */
    struct stat st;        /* of the file */
};

/* ERR_NOT_FOUND; ERR_UNAVAILABLE for what cannot be read or parsed (field AIO_CONFIG_FILE). */
bool config_file_read(const char *path, struct aio_settings *out, struct err *e);
/* Pure: `text` with the two values set; what is absent is added, what is there stays where it is.
 * ERR_UNAVAILABLE when `text` is no JSON object or a value is no string. */
bool config_file_edit(const char *text, size_t n, const struct aio_target *t, struct buf *out,
                      struct err *e);
/* Sets the two keys in the file as it is now; verified by reading again. ERR_CONFIG_CONFLICT when
 * another writer was faster CONFIG_FILE_TRIES times. On any failure the file is as it was, or as
 * the other writer left it. */
bool config_file_set_target(const char *path, const struct aio_target *t, struct err *e);

/* ---- AIO's files beside it ---- */
struct aio_schedule {
    bool set;
    int minute_utc; /* of the day */
    bool updates, success_notifications;
};
/* The file daily_backup_time; one that is absent is no schedule. */
bool config_file_schedule(const char *path, struct aio_schedule *out, struct err *e);
/* Minutes from now until it begins; −1 without one. */
int aio_schedule_minutes(const struct aio_schedule *s, long long now_s);
/* The newest names of backup_archives.list, newest first, "name,YYYY-MM-DD HH:MM:SS" UTC. */
struct aio_archive {
    char name[128];
    long long time; /* Unix seconds */
};
bool config_file_archives(const char *path, struct aio_archive *out, size_t max, size_t *n,
                          struct err *e);

#endif
