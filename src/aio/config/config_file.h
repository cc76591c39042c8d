/* config_file: AIO's configuration.json: read, and its two keys of the backup target changed.
 *
 * AIO's PHP writes the whole file from a cached copy, by a fixed temporary name and rename, without
 * any lock (AIO ConfigurationManager.php); so do we, with a name of our own: read, change the two
 * values in the text (every other byte stays; ours are escaped and laid out as PHP does), write
 * aside with owner and mode as they were, fsync, look at the file again, replace it at once
 * (CONFIG_FILE_WINDOW_MS at most since that look). Blocks; a task's thread or a worker.
 *
 * The folder is backed up by AIO: what changes in it while borg reads it makes AIO drop the
 * archive. So nothing but reading may be done while the borgbackup container runs. */
#ifndef AIO_CONFIG_CONFIG_FILE_H
#define AIO_CONFIG_CONFIG_FILE_H

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
/* What a new target must be: what AIO's own page demands, and what it should. A place is an
 * absolute path without a slash at its end, '.', '..', ':' or control characters, outside Docker's
 * own folder, or the volume AIO_BACKUP_VOLUME; a repository is ssh://user@host[:port]/path or
 * user@host:path. ERR_BAD_REQUEST, field host_location or remote_repo. A target that AIO has
 * already need not be valid: an empty one and any volume are put back as they were. */
#define AIO_BACKUP_VOLUME "nextcloud_aio_backupdir"
bool aio_target_valid(const struct aio_target *t, struct err *e);
/* Not inside Nextcloud's data folder (`datadir` of its settings), as AIO demands: restoring would
 * delete the archives. */
bool aio_target_apart(const struct aio_target *t, const char *datadir, struct err *e);

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
/* Pure: `text` with the two values set, appended; what is absent is added at the end unless it is
 * to be empty (AIO takes both alike), what is there stays where it is. A text without lines, which
 * AIO's scripts would misread, is laid out anew. ERR_UNAVAILABLE when `text` is no JSON object or
 * one of the two is no string; ERR_BAD_REQUEST when the target is no UTF-8. */
bool config_file_edit(const char *text, size_t n, const struct aio_target *t, struct buf *out,
                      struct err *e);
struct config_file_change {
    unsigned tries; /* 1: nothing had to be changed; 2: changed and read again; more: disturbed */
    unsigned window_us; /* from the last look to the replacement; 0: not replaced */
};
/* Sets the two keys in the file as it is now; verified by reading again. A change that another
 * writer makes meanwhile is kept. ERR_CONFIG_CONFLICT when it was disturbed CONFIG_FILE_TRIES
 * times, or twice within the moment of one replacement. On any failure the file is as it was, or as
 * the other writer left it, or (when only making it durable or reading it again failed) as asked
 * for; always whole. `how` may be NULL. Not while the borgbackup container runs. */
bool config_file_set_target(const char *path, const struct aio_target *t,
                            struct config_file_change *how, struct err *e);

/* ---- AIO's files beside it ---- */
/* The path of a file in the same folder; false when it does not fit. */
bool config_file_beside(const char *config_file, const char *name, char *out, size_t size);
struct aio_schedule {
    bool set;
    int minute_utc; /* of the day */
    bool updates, success_notifications;
};
/* The file daily_backup_time; one that is absent is no schedule. ERR_UNAVAILABLE when it cannot be
 * read or its first line is no time. */
bool config_file_schedule(const char *path, struct aio_schedule *out, struct err *e);
/* Whole minutes from now (Unix seconds) until it begins; −1 without one. */
int aio_schedule_minutes(const struct aio_schedule *s, long long now_s);
/* The newest of backup_archives.list, newest first; its lines are "name,YYYY-MM-DD HH:MM:SS" in
 * UTC, oldest first. A file that is absent lists nothing. */
struct aio_archive {
    char name[128];
    long long time; /* Unix seconds */
};
bool config_file_archives(const char *path, struct aio_archive *out, size_t max, size_t *n,
                          struct err *e);

#endif
