/* target: AIO's backup target, switched for a while and put back whatever happens.
 *
 * What would have to be put back (both keys; borg.config, without which AIO's borgbackup refuses to
 * back up and which it deletes when a first backup fails; backup_archives.list, which each run
 * rewrites for its own target) is written to a journal in STATE_DIR/aio (0700, files 0600:
 * borg.config holds a repository's key, locked by its passphrase) and fsynced before the first
 * change. The journal goes when everything has been put back and read again. While there is one no
 * other run may start; at our start it is replayed as soon as no AIO run is active. borg.config is
 * kept for each target, since AIO keeps only the last one's.
 *
 * AIO's folder is part of what borg reads, and a file that changes meanwhile makes AIO drop the
 * archive as failed. So target_switch and target_set only while no run is active,
 * target_switch_next and target_put_back only after the borgbackup container has died,
 * target_finish and target_stay when the run is over. The others touch nothing of AIO's and may be
 * called at any time. Blocks; a task's thread or a worker, one at a time. */
#ifndef AIO_TARGET_TARGET_H
#define AIO_TARGET_TARGET_H

#include "aio/config/config_file.h"
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
 * then the keys. `j->original` is ignored: it is what the file says now. When the target is AIO's
 * own nothing changes, but a borg.config that the run loses is put back all the same.
 * ERR_TARGET_SWITCHED when there is a journal already; on any other failure what was changed is
 * back and the journal gone, or it stands (ERR_TARGET_SWITCHED too: target_put_back will be tried
 * again). */
bool target_switch(const struct aio_context *x, const struct target_journal *j, struct err *e);
/* The next target of the same downtime: the journal's original stays. On failure the journal stands
 * and target_put_back must follow. */
bool target_switch_next(const struct aio_context *x, const struct aio_target *t, struct err *e);
/* After the borgbackup container has died: keeps the target's borg.config for the next time, puts
 * keys, borg.config and list back, reads them again. After a run for AIO's own target its list and
 * borg.config are the new originals. Keys that are neither the original nor one of our temporary
 * targets are somebody else's decision and stay. The journal stays. Idempotent; true without a
 * journal. */
bool target_put_back(const struct aio_context *x, struct err *e);
/* Everything was put back and the run is over: verified once more (the keys are set again if a
 * writer of AIO brought temporary ones back), then the journal goes. ERR_TARGET_SWITCHED when it
 * was not put back. True without a journal. */
bool target_finish(const struct aio_context *x, struct err *e);
/* Instead of the two: the run's target stays AIO's own, the journal goes. */
bool target_stay(const struct aio_context *x, struct err *e);
/* The borgbackup container said "Repository successfully initialized.": should its first backup
 * fail and AIO delete borg.config, that target gets an empty one the next time (AIO only asks
 * whether there is one), so that it is not refused for ever. Before target_put_back; touches
 * nothing of AIO's. */
bool target_initialised(const struct aio_context *x, struct err *e);
/* There is a borg.config kept for that target: its next backup is not its first. Not for AIO's own
 * target, whose borg.config is in its place. */
bool target_kept(const struct aio_context *x, const struct aio_target *t);
/* False without a journal (ERR_NOT_FOUND) or with one that cannot be read (ERR_UNAVAILABLE). One of
 * target_set has an empty job_id. */
bool target_journal_read(const struct aio_context *x, struct target_journal *out, struct err *e);
/* Changes what a start after our death is told (original and intended stay); durable. */
bool target_journal_write(const struct aio_context *x, const struct target_journal *j,
                          struct err *e);
/* Changes the target for good; journalled like the others, so that a crash on the way leaves the
 * old one. borg.config and list are those of the new target as last seen, or none. `previous` (may
 * be NULL) gets the old target, also when it is the same. Errors as target_switch. */
bool target_set(const struct aio_context *x, const struct aio_target *t,
                struct aio_target *previous, struct err *e);

/* At start, before anything else: what a crash left without a journal goes. One of target_set is
 * put back here when there is no AIO that could be asked (AIO_MASTER is empty). */
void target_sweep(const struct aio_context *x);

void aio_target_write(const struct aio_target *t, struct jsonw *w); /* {host_location,…,mode} */

#endif
