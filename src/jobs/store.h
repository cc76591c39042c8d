/* store: everything durable, in one SQLite file (STATE_DIR/state.db), owned by one thread.
 *
 * Calls are made on the loop's thread, queue an operation and return at once. Operations are
 * carried out strictly in the order of the calls, several to a transaction; a read therefore sees
 * every write called before it. Callbacks run on the loop's thread, in that order too, never from
 * inside a call; each exactly once. Out of that order come only what was refused at the door
 * (earlier) and updates that had to be retried (later). Pointers given to a callback are valid
 * during it; pointers passed in are copied (blocks are referenced instead).
 *
 * Past STORE_OPS waiting operations creations, blocks and reads are refused with ERR_TOO_BUSY;
 * updates and reservations, of which each job has few, are always taken.
 *
 * Durability: a transaction that holds a durable operation is committed with synchronous=FULL
 * (fsync), others with NORMAL: those survive our death, and a power cut up to the last checkpoint.
 * Full disk or I/O error: blocks in it fail (their callback says so, the hole shows as a `gap`),
 * new jobs fail with ERR_STORE_FULL, and job updates (`critical`) are retried until they land, out
 * of a reserve of STORE_BALLAST bytes that is given back to the disk for them and taken again when
 * there is room. */
#ifndef JOBS_STORE_H
#define JOBS_STORE_H

#include "base/err.h"
#include "jobs/block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct store;

struct store_settings {
    const char *dir;               /* STATE_DIR: made 0700 if absent */
    int64_t job_bytes, job_events; /* events kept of one job: head and tail, the middle goes */
    int64_t all_bytes;             /* events kept in all: oldest ended jobs' events go first */
    int read_job_keep_s;           /* ended jobs with row.reading: kept this long (an hour) */
    int jobs_keep;                 /* other ended jobs kept, newest first */
};

/* Opens and migrates. Fails with a clear error when another process holds the directory (flock on
 * STATE_DIR/lock), when the schema is newer than ours, when the file is no database. */
struct store *store_open(uv_loop_t *loop, const struct store_settings *set, struct err *e);
/* Carries out what is queued, closes, joins the thread, runs the callbacks that are due; `closed`
 * runs when its handle is gone. Nothing may be called after. */
void store_close(struct store *s, void (*closed)(void *arg), void *arg);

/* A job's row. NULL strings are stored as NULL. Times in Unix milliseconds, 0 = not yet. */
struct store_job {
    const char *id, *kind, *label, *state;
    int64_t queued_ms, started_ms, ended_ms;
    bool terminal;            /* the state is final */
    bool reading;             /* a reading job: kept an hour, never pushes out backups */
    const char *owner;        /* role that asked */
    const char *record;       /* the whole record as JSON, as GET /jobs/{id} gives it under "job" */
    const char *private_json; /* what recovery needs (config path, repositories), never a secret */
    uint64_t last_event_id;   /* of a terminal job: its last event */
    const char *idem_key, *idem_fingerprint; /* on creation only; NULL: none */
};

typedef void (*store_done)(void *arg, bool ok, const struct err *e);

/* Inserts a new row together with the reservation of event ids below `mark`; durable. */
void store_job_create(struct store *s, const struct store_job *row, uint64_t mark, store_done done,
                      void *arg);
/* Replaces the row; `durable` commits with FULL. critical: retried until it lands. done may be
 * NULL. */
void store_job_update(struct store *s, const struct store_job *row, bool durable, store_done done,
                      void *arg);
/* Ends a job: the block with its terminal status (NULL: none) and the row land together or not at
 * all; durable and critical. */
void store_job_end(struct store *s, const struct store_job *row, struct block *b, store_done done,
                   void *arg);
/* Reserves event ids below `mark` of that job, durably: no id ≥ mark was ever shown to anyone. */
void store_reserve(struct store *s, const char *job, uint64_t mark, store_done done, void *arg);
/* The same for gids of all jobs. */
void store_reserve_gid(struct store *s, uint64_t mark, store_done done, void *arg);
/* Appends a sealed block (referenced until done). done(ok=false): it was not kept. */
void store_append(struct store *s, struct block *b, store_done done, void *arg);
/* Bytes of blocks whose callback is still due: for slowing children. */
size_t store_backlog(const struct store *s);

/* Inside the callback of a read: why it could not be answered (then found is false and n is 0
 * without meaning anything), or NULL when the answer is true. */
const struct err *store_read_error(const struct store *s);

/* One job. found=false when there is none. */
typedef void (*store_got_job)(void *arg, bool found, const struct store_job *row);
void store_job_get(struct store *s, const char *id, store_got_job got, void *arg);

struct store_filter {
    const char *state, *kind, *label; /* NULL: any */
    int64_t since_ms;                 /* queued at or after; 0: any */
    int64_t before_seq;               /* cursor: rows older than this; 0: from the newest */
    int limit;                        /* 1..LIMIT_JOBS_LISTED */
};
/* Newest first. next_cursor is 0 at the end. A page may be shorter than asked (STORE_LIST_BYTES).
 */
typedef void (*store_got_jobs)(void *arg, const struct store_job *rows, size_t n,
                               int64_t next_cursor);
void store_jobs_list(struct store *s, const struct store_filter *f, store_got_jobs got, void *arg);

/* Records with id ≥ from, in order, up to about max bytes of text (at least one if there is one).
 * Holes are not marked: the reader sees them by the ids. */
typedef void (*store_got_events)(void *arg, const char *text, size_t n);
void store_events(struct store *s, const char *job, uint64_t from, size_t max, store_got_events got,
                  void *arg);
/* The same over all jobs by gid ≥ from, sorted by gid; each record is preceded by "<job id> ". */
void store_events_all(struct store *s, uint64_t from_gid, size_t max, store_got_events got,
                      void *arg);

/* Idempotency: the job made for that key within IDEMPOTENCY_KEEP_S, or found=false. */
typedef void (*store_got_key)(void *arg, bool found, const char *fingerprint, const char *job);
void store_key_get(struct store *s, const char *key, store_got_key got, void *arg);

/* ---- before the loop runs (synchronous, only between store_open and uv_run) ---- */
/* Calls `each` for every row that is not terminal, with its event mark. False when the file could
 * not be read to the end. */
bool store_unfinished(struct store *s,
                      void (*each)(void *arg, const struct store_job *row, uint64_t mark),
                      void *arg);
int64_t store_last_job_ms(struct store *s); /* highest n of any id, 0 if none */
uint64_t store_gid_mark(struct store *s);   /* gids below it may have been shown */

struct store_health {
    bool full; /* the last write failed for want of space or by I/O error */
    uint64_t commits, failures;
    uint64_t stalled_ms; /* how long the thread has been at its present batch */
    size_t backlog;
};
void store_health(const struct store *s, struct store_health *h);

#endif
