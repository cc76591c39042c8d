/* block: a run of records of one job, about EVENT_BLOCK bytes: the unit in which events are kept
 * live and stored.
 *
 * While it is open only the loop's thread touches it. Sealed, it never changes again and may be
 * read by any thread; references are counted atomically. Ids inside one block are ascending and
 * without holes; gids ascend, with holes. */
#ifndef JOBS_BLOCK_H
#define JOBS_BLOCK_H

#include "base/buf.h"
#include "jobs/event.h"

#include <stdatomic.h>
#include <stdint.h>

struct block {
    atomic_uint refs;
    char job[128];                /* id of the job */
    uint64_t first_id;            /* id of the first record */
    uint32_t count;               /* records */
    uint64_t first_gid, last_gid; /* of the first and last record; 0 while empty */
    struct buf text;              /* the records */
    uint32_t *offsets;            /* where record k begins */
    uint32_t offsets_cap;
};

/* An empty open block with one reference, or NULL. */
struct block *block_new(const char *job, uint64_t first_id);
struct block *block_ref(struct block *b);
void block_unref(struct block *b); /* frees with the last reference; NULL is a no-op */
/* Adds a record; its id is first_id + count. False when memory is gone (nothing added). */
bool block_add(struct block *b, enum event_kind kind, uint64_t gid, double t, const char *line,
               size_t n, const char *data);
/* The event with that id. False when it is not in this block. */
bool block_get(const struct block *b, uint64_t id, struct event *ev);

#endif
