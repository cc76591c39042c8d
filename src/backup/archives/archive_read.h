/* archive_read: asks borg itself which archives a repository has, after a run.
 *
 * borg is called directly with what borgmatic would have given it (resolve), several times faster
 * than through borgmatic. The passphrase goes by a pipe (BORG_PASSPHRASE_FD), never by argv or
 * environment. Bounded by VERIFY_MS and ARCHIVE_JSON; borg
 * waits ARCHIVE_LOCK_WAIT_S for a lock. Loop's thread only. */
#ifndef BACKUP_ARCHIVES_ARCHIVE_READ_H
#define BACKUP_ARCHIVES_ARCHIVE_READ_H

#include "backup/repo/resolve.h"
#include "base/err.h"
#include "base/secret.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct archive_read;

struct archive_read_spec {
    const char *borg;                 /* absolute path of the real borg */
    const struct resolved_repo *repo; /* must live until done */
    const struct secret *passphrase;  /* the caller's; NULL: the config's own */
    const char *const *env;           /* base environment of the child (PATH, HOME, askpass, …);
                                         BORG_* of the repository are added here, TZ=UTC too */
    const char *archive;              /* read this one; NULL: those begun in that time */
    int64_t since_ms, until_ms;       /* Unix milliseconds, both within; until_ms 0: no end */
    int max;                          /* with archive NULL: newest first, at most this many */
    void (*started)(void *arg, pid_t pid); /* the child runs (control_set_leader); may be NULL */
    /* `archives`: array of elements as in `borg info --json` (borrowed), empty when there is none
     * (a named one: ERR_ARCHIVE_NOT_FOUND).
     * NULL and `e` when it could not be read (ERR_WRONG_PASSPHRASE, ERR_REPOSITORY_LOCKED,
     * ERR_REPOSITORY_NOT_FOUND, ERR_TIMEOUT, ERR_COMMAND_FAILED, …). Once, never from inside. */
    void (*done)(void *arg, const json_t *archives, const struct err *e);
    void *arg;
};

/* The spec is copied but for what it points to. The handle is valid until done. */
struct archive_read *archive_read_start(uv_loop_t *loop, const struct archive_read_spec *spec,
                                        struct err *e);
/* Gives it up: its child is ended, done does not run. NULL is a no-op. */
void archive_read_cancel(struct archive_read *r);

/* "2026-11-23T02:45:54.000000" (UTC) as Unix seconds, −1 when it is no time. */
int64_t archive_read_time(const char *text);

#endif
