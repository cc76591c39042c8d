/* drill: a plan that proves that files come back: a random sample of an archive's regular files is
 * extracted into a private folder (STATE_DIR/drill/<job>), and each is compared, by SHA-256, with
 * what borg says of it; on request also with the live file where that has not changed since (same
 * size and time). The folder is removed in every end. The result's entry has "archive", "seed",
 * counts, and a table of the files. Loop's thread only. */
#ifndef BACKUP_RESTORE_DRILL_H
#define BACKUP_RESTORE_DRILL_H

#include "backup/run/operation.h"

#include <stdint.h>

struct drill_spec {
    const char *archive; /* copied; NULL: the newest */
    int64_t count;       /* files at most, LIMIT_DRILL */
    int64_t max_bytes;   /* of all of them together; larger files are not drawn */
    uint64_t seed;       /* the same seed draws the same files of the same archive */
    bool compare;        /* with the live files as well */
};

void *drill_new(uv_loop_t *loop, const struct drill_spec *spec); /* NULL: no memory */
extern const struct operation_plan drill_plan;

/* Removes what drills of a former life left; blocks, for the start. */
void drill_sweep(const char *state_dir);
/* The same for one job, on a worker. */
void drill_remove_later(uv_loop_t *loop, const char *state_dir, const char *job_id);

#endif
