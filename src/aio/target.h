/* target: AIO's backup target, switched for a while and put back whatever happens.
 *
 * What would have to be put back — both keys, borg.config, backup_archives.list (aio.md §4.6) —
 * is written to a journal in STATE_DIR/aio (0700, files 0600: borg.config holds a repository's key,
 * locked by its passphrase) and fsynced before the first change. The journal goes when everything
 * has been put back and read again. While there is one no other run may start; at our start it is
 * replayed as soon as no AIO run is active (aio/recover). borg.config is kept for each target,
 * since AIO keeps only the last one's. Blocks; a task's thread, one at a time. */
#ifndef AIO_TARGET_H
#define AIO_TARGET_H

#include "aio/config_file.h"
#include "aio/context.h"
#include "base/jsonw.h"

#include <stdbool.h>
#include <stdint.h>

enum { AIO_JOB_ID = 128 };

/* What the journal holds, and what a run after our death needs. */
struct target_journal {
    char job_id[AIO_JOB_ID];
    struct aio_target original, intended; /* intended: of the run now */
    char master_id[65], borg_id[65];      /* containers' ids before the run; "" none */
    bool stack_was_up, start_after;
    int64_t began_ms;
};

/* Writes the journal, then switches: borg.config of that target (or none, for its first backup),
 * then the keys. On failure what was changed is back, or the journal stands (ERR_TARGET_SWITCHED:
 * target_put_back will be tried again). */
bool target_switch(const struct aio_context *x, const struct target_journal *j, struct err *e);
/* The next target of the same downtime: the journal's original stays. */
bool target_switch_next(const struct aio_context *x, const struct aio_target *t, struct err *e);
/* After the borgbackup container has died: keeps the target's borg.config for the next time, puts
 * keys, borg.config and list back, reads them again. The journal stays. Idempotent. */
bool target_put_back(const struct aio_context *x, struct err *e);
/* Everything is back and the run is over: verified once more (the keys are set again if a writer
 * of AIO brought the temporary ones back), then the journal goes. */
bool target_finish(const struct aio_context *x, struct err *e);
/* False without a journal (e->code ERR_NOT_FOUND) or with one that cannot be read. */
bool target_journal_read(const struct aio_context *x, struct target_journal *out, struct err *e);
/* Changes what a start after our death is told; durable. */
bool target_journal_write(const struct aio_context *x, const struct target_journal *j,
                          struct err *e);
/* Changes the target for good (POST /nextcloud/backup-target); journalled like the others. */
bool target_set(const struct aio_context *x, const struct aio_target *t, struct err *e);

void aio_target_write(const struct aio_target *t, struct jsonw *w); /* {host_location,…,mode} */

/* ---- tests: where a crash may be asked for (--crash-at=STEP of test builds) ---- */
extern const char *const target_steps[]; /* ended by NULL */

#endif
