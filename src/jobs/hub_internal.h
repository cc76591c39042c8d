/* hub_internal: what the parts of the hub share: hub.c writes, hub_reader.c reads, hub_fetch.c asks
 * the store for readers, hub_wake.c says when each reader is told. Nobody else includes it.
 *
 * Who points to whom: the hub has its live jobs and its readers; a reader points to its job while
 * that job is in memory. An ended job stays as long as readers take its last events from memory, at
 * most HUB_LINGER of them; then its readers go on from the store. */
#ifndef JOBS_HUB_INTERNAL_H
#define JOBS_HUB_INTERNAL_H

#include "base/buf.h"
#include "jobs/block.h"
#include "jobs/hub.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* ---- intrusive lists: a head and its members are links; a link in no list points to itself ----
 */
struct link {
    struct link *prev, *next;
};

#define LINK_OF(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

static inline void link_init(struct link *l)
{
    l->prev = l->next = l;
}

static inline bool link_empty(const struct link *l)
{
    return l->next == l;
}

static inline void link_drop(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    link_init(l);
}

/* To the end of the list; l may be in another one. */
static inline void link_put(struct link *list, struct link *l)
{
    link_drop(l);
    l->prev = list->prev;
    l->next = list;
    list->prev->next = l;
    list->prev = l;
}

/* All members of `from` to the end of `list`. */
static inline void link_move_all(struct link *list, struct link *from)
{
    if (link_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    link_init(from);
}

/* ---- the hub ---- */

/* The event with one gid: which record of which block. */
struct hub_entry {
    struct block *block;
    uint64_t id;
    size_t bytes;
};

/* A question to the store on behalf of a reader, which may have gone meanwhile (NULL). */
struct hub_read {
    struct hub *hub;
    struct hub_reader *reader;
    bool busy;
};

struct hub {
    uv_loop_t *loop;
    struct store *store;
    struct link jobs;  /* live, hub_job.in_hub */
    struct link ended; /* ended, with readers, oldest first */
    size_t ended_count;
    struct link readers; /* all, hub_reader.in_hub */
    size_t reader_count, global_count;

    uint64_t next_gid, gid_mark, gid_asked;
    bool gid_pending, gid_failed;
    bool behind; /* the store is: from STORE_QUEUE_HIGH until STORE_QUEUE_LOW */

    /* the latest events of all jobs, gids all_first … next_gid - 1, while anyone reads them all */
    struct hub_entry all[HUB_ALL];
    uint64_t all_first;
    size_t all_bytes;

    /* waking (hub_wake.c) */
    struct link due;      /* to be told in this turn or one of the next */
    struct link cooling;  /* told less than FANOUT_CLIENT_MS ago, in order of time */
    struct link idle_all; /* readers of all jobs that wait for an event */
    uv_check_t check;
    uv_idle_t spin; /* keeps the loop from sleeping while readers are due */
    uv_timer_t cool;
    struct hub_reader *waking; /* whose wake is running; NULL once it was freed in it */

    /* asking the store (hub_fetch.c) */
    struct hub_read reads[HUB_READS];
    struct link want; /* readers whose question waits for a free place */
    struct link kept; /* readers that hold an answer, oldest first */
    size_t kept_bytes;

    uv_timer_t seal;  /* open blocks are sealed */
    uv_timer_t retry; /* failed reservations are tried again */
    size_t ops;       /* calls to the store whose callback is due */
    int handles;
    bool closing, handles_closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct hub_job {
    struct link in_hub;
    struct hub *h;
    char id[sizeof((struct block *)0)->job];
    struct block *open; /* NULL or with at least one record */
    struct block *ring[HUB_RING];
    size_t ring_at, ring_n, ring_bytes;
    uint64_t next_id;
    uint64_t mark, asked; /* ids below mark are reserved; asked for */
    bool reserve_pending, reserve_failed;
    uint64_t lost;       /* events that could not be kept since the last that was */
    uint64_t final_id;   /* of the terminal status, UINT64_MAX before there is one */
    uint64_t hidden_gid; /* of the first event that may not be seen yet, or UINT64_MAX */
    bool ending, ended;  /* hub_end was called; its commit is done */
    bool gone;           /* the writer's: kept for readers and callbacks alone */
    bool blocked;        /* hub_writable is false and `ready` is owed */
    void (*ready)(void *arg);
    void *ready_arg;
    store_done end_done;
    void *end_arg;
    struct link readers; /* hub_reader.of_job */
    struct link idle;    /* those that wait for an event */
    size_t ops;          /* store callbacks that will come with this job */
};

struct hub_reader {
    struct link in_hub, of_job;
    struct link turn;  /* in an idle list, due or cooling */
    struct link store; /* in want or kept */
    struct hub *h;
    struct hub_job *j; /* NULL: not live, or all jobs */
    bool all;
    uint64_t pos;
    unsigned kinds;
    void (*wake)(void *arg);
    void *arg;
    uint64_t woken_ms;
    bool waiting, cooling, finished;
    bool retry;    /* the store could not answer: ask again */
    bool emitting; /* inside hub_reader_next */
    bool dead;     /* freed while emitting */

    struct hub_read *read; /* the question under way */
    size_t read_max;
    bool read_live;   /* its job was live when it was asked */
    uint64_t floor;   /* what the answer does not have below this does not exist */
    bool empty;       /* the answer had nothing */
    const char *text; /* the rest of the answer */
    size_t text_n;
    struct buf kept; /* its memory, unless it is borrowed from the store for the wake */
    char job[];
};

/* hub.c */
void hub_reserve(struct hub_job *j);  /* asks for more numbers when they run low */
void hub_note_writers(struct hub *h); /* remembers who must stop writing … */
void hub_tell_writers(struct hub *h); /* … and tells those who may go on */
void hub_seal_soon(struct hub *h);    /* in EVENT_BLOCK_MS at the latest */
void hub_close_handles(struct hub *h);
void hub_op_done(struct hub *h); /* a store callback has come */
void hub_release(struct hub *h); /* something of a closing hub is gone */

/* hub_job.c */
struct hub_job *hub_job_find(const struct hub *h, const char *job); /* live, or NULL */
uint64_t hub_visible(const struct hub_job *j);                      /* ids below it may be seen */
uint64_t hub_frontier(const struct hub *h);                         /* gids below it may be seen */
uint64_t hub_memory_first(const struct hub_job *j); /* ids from it on are in memory */
/* The event with the lowest id ≥ id, for hub_memory_first ≤ id < hub_visible. `*at` is where the
 * last one was found, first NULL. */
bool hub_memory_get(const struct hub_job *j, uint64_t id, const struct block **at,
                    struct event *ev);
void hub_seal_all(struct hub *h);
void hub_all_clear(struct hub *h);       /* forgets the latest events of all jobs */
void hub_job_release(struct hub_job *j); /* frees an ended job that nobody needs */
void hub_job_forget(struct hub_job *j);  /* the readers of an ended job go on from the store */

/* hub_wake.c */
void hub_wake_init(struct hub *h);
void hub_wake_all(struct hub *h, struct link *idle); /* an idle list has news */
void hub_wake_one(struct hub_reader *r);
void hub_wait(struct hub_reader *r); /* it waits: for an event or for the store */
void hub_wake_close(struct hub *h);  /* tells all readers; then hub_close_handles */

/* hub_fetch.c */
void hub_fetch(struct hub_reader *r, size_t max);
void hub_fetch_cancel(struct hub_reader *r);
void hub_text_drop(struct hub_reader *r); /* the answer is used up, or not wanted */

/* hub_reader.c */
void hub_reader_detach(struct hub_reader *r); /* from its job: goes on from the store */

#endif
