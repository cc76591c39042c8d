/* hub: events of running jobs, live and durable, and the readers of any job's events.
 *
 * Writers append; records gather in blocks that are sealed at EVENT_BLOCK bytes or after
 * EVENT_BLOCK_MS and handed to the store; the last EVENT_RING bytes stay in memory. Readers pull:
 * each has a position, takes what memory has, else asks the store, so that a slow reader costs one
 * position and loses nothing that is kept. Where ids are missing (a crash, a full disk, the kept
 * maximum), the reader makes a `gap` event with data {"from":a,"to":b}, whose id is b.
 * Ids are reserved in the store before they are shown. Loop's thread only. */
#ifndef JOBS_HUB_H
#define JOBS_HUB_H

#include "jobs/event.h"
#include "jobs/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct hub;
struct hub_job;
struct hub_reader;

/* gids continue at the store's mark. */
struct hub *hub_new(uv_loop_t *loop, struct store *store, struct err *e);
/* No job may be open. Readers that remain are told (wake) and then see HUB_END; they are still to
 * be freed. `closed` when its handles are gone and the store has answered what it was asked: close
 * the store after that, or at least in the same turn. */
void hub_close(struct hub *h, void (*closed)(void *arg), void *arg);

/* ---- writing ---- */
/* Opens a job for writing with ids from `first`, of which those below `mark` are reserved already
 * (store_job_create did it). NULL and `e` when memory is gone. */
struct hub_job *hub_open(struct hub *h, const char *job, uint64_t first, uint64_t mark,
                         struct err *e);
/* Appends an event at the time now. Never fails towards the caller: when it cannot be kept the hole
 * shows as a gap. `data` is JSON text or NULL. */
void hub_append(struct hub_job *j, enum event_kind kind, const char *line, size_t n,
                const char *data);
/* May the writer go on taking output from its child? False when the store is behind or the reserved
 * ids run low; then `ready` set by hub_on_ready runs once it may, never from inside a call. While
 * ids cannot be reserved at all it may go on, but its lines are lost. */
bool hub_writable(const struct hub_job *j);
void hub_on_ready(struct hub_job *j, void (*ready)(void *arg), void *arg);
/* Ends the job: the terminal status event with `line` is kept together with `row` (its
 * last_event_id is filled in here) in one durable commit; only then do readers see it; then
 * `done` runs and j is gone. */
void hub_end(struct hub_job *j, const char *line, size_t n, struct store_job *row, store_done done,
             void *arg);
/* The job is left as it is, for a later start to open again: what was appended is kept, readers go
 * on from the store. j is gone. */
void hub_leave(struct hub_job *j);
uint64_t hub_next_id(const struct hub_job *j);
bool hub_is_live(const struct hub *h, const char *job);

/* ---- reading ---- */
enum hub_next {
    HUB_MORE, /* events were emitted; ask again */
    HUB_WAIT, /* nothing now; `wake` will run */
    HUB_END   /* the job has ended and all was emitted */
};
typedef void (*hub_emit)(void *arg, const char *job, const struct event *ev);

/* Reads `job` from id `from` on, or, with job NULL, all jobs from gid `from` on (UINT64_MAX: from
 * now on). kinds: EVENT_MASKs; the terminal status of a job is emitted whatever they are. `wake`
 * may run at any later turn of the loop, also when nothing came of it, never from inside a call.
 * The caller knows that the job exists. NULL when memory is gone or LIMIT_STREAMS is reached. */
struct hub_reader *hub_reader_new(struct hub *h, const char *job, uint64_t from, unsigned kinds,
                                  void (*wake)(void *arg), void *arg, struct err *e);
void hub_reader_free(struct hub_reader *r); /* also while it waits; NULL is a no-op */
/* Emits events until about `max` bytes of their JSON were emitted, or a batch of HUB_BATCH. Of
 * several progress events in one call only the last of each job is emitted. `emit` may free this
 * reader (then the call returns HUB_END), and must not call the hub otherwise. With HUB_WAIT and
 * HUB_END events may have been emitted too. */
enum hub_next hub_reader_next(struct hub_reader *r, size_t max, hub_emit emit, void *arg);
/* Where it stands: the id (gid) that comes next, whatever its kind. */
uint64_t hub_reader_position(const struct hub_reader *r);
/* Readers now, and of them those that watch a live job (for metrics). */
size_t hub_readers(const struct hub *h);

#endif
