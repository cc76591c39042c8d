/* progress: borg's JSON lines made into one running picture and a text line.
 *
 * Pure: no I/O, no clock but the one passed in. borg's shapes as measured on 1.2.4 and 1.4.0. */
#ifndef BACKUP_CREATE_PROGRESS_H
#define BACKUP_CREATE_PROGRESS_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    int64_t files, original, compressed, deduplicated; /* −1: not known */
    char path[512];                                    /* current path, cut */
    char phase[64];                                    /* borg's msgid or "create" */
    char message[256];         /* borg's own words for a phase other than create, cut */
    double percent;            /* <0: not known */
    bool estimate;             /* percent and eta are estimated from an earlier archive */
    int64_t eta_s;             /* <0: not known */
    int64_t expected_original; /* of the last archive, 0: none (then no estimate) */
    uint64_t started_ms;       /* monotonic, when the current borg started */
    uint64_t phase_ms;         /* … and when this phase did */
};

void progress_init(struct progress *p);
/* A borg starts: all is forgotten. expected_original in bytes, 0: no earlier archive. */
void progress_start(struct progress *p, uint64_t now_ms, int64_t expected_original);
/* True when the message was progress (archive_progress, progress_percent, progress_message). */
bool progress_feed(struct progress *p, const json_t *message, uint64_t now_ms);
/* {"files":…,"original_size":…,"compressed_size":…,"deduplicated_size":…,"path":…,"phase":…,
 *  "percent":…,"eta_s":…,"estimate":true} — what is not known is left out; repository and label are
 * added when given. */
void progress_json(const struct progress *p, const char *repository, const char *label,
                   struct buf *out);
/* The line borg's own --progress would have shown: "52.29 MB O 52.29 MB C 0 B D 12 N src/x",
 * "Checking segments 20.0%"; nothing while nothing is known. */
void progress_text(const struct progress *p, struct buf *out);

#endif
