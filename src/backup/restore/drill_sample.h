/* drill_sample: the files drawn for a drill, and what came of each. Pure, but for drill_check,
 * which reads files (worker threads). */
#ifndef BACKUP_RESTORE_DRILL_SAMPLE_H
#define BACKUP_RESTORE_DRILL_SAMPLE_H

#include "backup/archives/entry.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum drill_outcome { DRILL_MISSING, DRILL_EQUAL, DRILL_DIFFERS };
/* The live file: not looked at; the same; changed since (size or time); another content although
 * size and time are the same; not there any more; not readable or no regular file. */
enum drill_live { LIVE_NOT_ASKED, LIVE_EQUAL, LIVE_CHANGED, LIVE_DIFFERS, LIVE_GONE, LIVE_UNKNOWN };
const char *drill_outcome_name(enum drill_outcome o);
const char *drill_live_name(enum drill_live l);

struct drill_file {
    char *path; /* the bytes */
    int64_t size, mtime_us;
    char sha256[65]; /* of the item, "" until it is known */
    enum drill_outcome outcome;
    enum drill_live live;
};

struct drill_sample {
    struct drill_file *files;
    size_t count, max;
    int64_t max_bytes;
    uint64_t seed, random; /* the generator's state */
    uint64_t seen;         /* files that could have been drawn */
    int64_t bytes;         /* of the drawn ones, after drill_sample_fit */
    bool failed;           /* memory was gone */
};

bool drill_sample_init(struct drill_sample *s, size_t max, int64_t max_bytes, uint64_t seed);
void drill_sample_done(struct drill_sample *s);
/* Every file has the same chance. What is no regular file with its own content is passed over. */
void drill_sample_add(struct drill_sample *s, const struct entry *e);
/* Drops files until their bytes are within max_bytes and their patterns within LIMIT_DRILL_ARGS. */
void drill_sample_fit(struct drill_sample *s);
/* What borg says of it with its hash. Of two entries with one path the later one counts, as it does
 * when borg extracts. */
void drill_sample_hash(struct drill_sample *s, const struct entry *e);

/* Looks at every file below `folder`, and at the live ones when `compare`. Ends early when *stop.
 */
void drill_check(struct drill_sample *s, const char *folder, bool compare, const atomic_bool *stop);

#endif
