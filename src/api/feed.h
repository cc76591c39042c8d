/* feed: a job's events on their way from a hub reader to a client, for event streams and logs.
 *
 * One feed is one streamed answer. It pulls events when there are some and the client takes them,
 * has them written by its owner's `emit`, and ends with the last of them. A client that goes away
 * frees it. Heartbeats of all feeds hang on one timer; a feed with much to send yields to other
 * work after a few pieces. Loop's thread only. */
#ifndef API_FEED_H
#define API_FEED_H

#include "api/call.h"
#include "base/buf.h"
#include "base/err.h"
#include "jobs/event.h"
#include "jobs/hub.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feeds;
struct feed;

struct feeds *feeds_new(uv_loop_t *loop, struct hub *hub, unsigned heartbeat_s, struct err *e);
/* Lets no new feed begin and ends those that have no end of their own (all jobs). Feeds of one job
 * end with it. */
void feeds_stop(struct feeds *fs);
/* After the HTTP server was closed, so that no feed is left. Frees itself when its handles are
 * closed. NULL is a no-op. */
void feeds_close(struct feeds *fs);
size_t feeds_count(const struct feeds *fs);

struct feed_ops {
    /* Appends what the client gets for the event (perhaps nothing). False: that was the last one
     * wanted. */
    bool (*emit)(struct feed *f, struct buf *out, const char *job, const struct event *ev);
    /* Appends the last words; NULL: none. Not called for a client that has gone. */
    void (*end)(struct feed *f, struct buf *out);
    bool heartbeat; /* a silent stream gets an event now and then */
};

/* The owner's struct begins with it. */
struct feed {
    const struct feed_ops *ops;
    struct feeds *fs;
    struct hub_reader *reader;
    struct http_stream *stream;
    struct feed *prev, *next;  /* by the time of the last write, oldest first */
    struct feed *waiting_next; /* among those that yielded */
    struct buf *rest;          /* of a piece that the client did not take at once, or NULL */
    uint64_t written_ms;
    bool blocked; /* the client is slow: on_drain is to come */
    bool waiting, over, ending, endless;
};

/* Answers the call with a stream. `f` was allocated by mem_alloc (`ops` set) and is the feed's from
 * now on, also when the call could only be answered with an error. `head` is sent first. */
struct feed_spec {
    const char *job; /* NULL: all jobs */
    uint64_t from;
    unsigned kinds;
    const char *type; /* content type */
    const char *head;
};
void feed_begin(struct call *c, struct feed *f, const struct feed_spec *spec);

#endif
