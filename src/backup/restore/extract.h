/* extract: a plan that restores an archive, or some paths of it, into a destination.
 *
 * First borg lists what is asked for: a path that is not in the archive, or a disk that is too
 * small, ends the job before a byte is written. Then borg extracts with the destination's
 * descriptor as its folder (see confine), and what stands there afterwards is counted. What was
 * made and stayed empty is removed again in every end. The result's entry has "archive",
 * "destination", "expected", "found" and "left". Loop's thread only. */
#ifndef BACKUP_RESTORE_EXTRACT_H
#define BACKUP_RESTORE_EXTRACT_H

#include "backup/restore/destination.h"
#include "backup/run/operation.h"

#include <jansson.h>

struct extract_spec {
    struct destination *destination; /* taken: fd is −1 afterwards */
    const char *archive;             /* copied; NULL: the newest */
    const json_t *paths; /* array of at most LIMIT_LIST strings; copied; NULL: everything */
    int64_t strip_components;
};

/* The plan's data; NULL when memory is gone (the destination is then dropped). */
void *extract_new(uv_loop_t *loop, const struct extract_spec *spec);
extern const struct operation_plan extract_plan;

#endif
