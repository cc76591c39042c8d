/* download_pace: whether a reader takes too little for too long. Only the time counts in which it
 * was waited for: a slow borg is not the reader's fault. Pure; times in milliseconds. */
#ifndef BACKUP_RESTORE_DOWNLOAD_PACE_H
#define BACKUP_RESTORE_DOWNLOAD_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct download_pace {
    uint64_t waited, since; /* waited for it in all; it is waited for since then (0: it is not) */
    uint64_t taken;         /* bytes of this stretch */
};

void download_pace_taken(struct download_pace *p, size_t n);
void download_pace_waits(struct download_pace *p, uint64_t now);
void download_pace_ready(struct download_pace *p, uint64_t now);
/* True when DOWNLOAD_SLOW_MS were waited and fewer than DOWNLOAD_SLOW_RATE bytes a second taken; a
 * stretch that was good enough begins anew. */
bool download_pace_too_slow(struct download_pace *p, uint64_t now);

#endif
