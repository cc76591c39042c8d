/* event: one thing that happened in a job, and the text it is kept as.
 *
 * A record is one line of text, the same in memory, in the store and in a database shell:
 *     <letter> <id> <gid> <json>\n
 * letter: the kind (below); id: the event's number in its job, from 0; gid: its number among all
 * events of the daemon, from 1; json: the object a client gets, {"id":…,"t":…,"kind":…,"line":…
 * [,"data":{…}]}, which never holds a raw newline.
 * Pure functions; any thread. */
#ifndef JOBS_EVENT_H
#define JOBS_EVENT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_STDOUT,   /* 'o' a line of the child */
    EVENT_STDERR,   /* 'e' */
    EVENT_PROGRESS, /* 'p' structured progress in data */
    EVENT_STAGE,    /* 's' */
    EVENT_STATUS,   /* 't' JSON in line: {"event":"queued|start|success|fail",…} */
    EVENT_DONE,     /* 'd' line is "stdout.done" or "stderr.done" */
    EVENT_GAP,      /* 'g' never stored: made by readers where ids are missing */
    EVENT_BORG,     /* 'b' a line of AIO's borgbackup container */
    EVENT_KINDS
};

#define EVENT_MASK(kind) (1u << (kind))
/* What a stream carries when its client names no kinds. */
#define EVENT_DEFAULT_KINDS \
    (EVENT_MASK(EVENT_STDOUT) | EVENT_MASK(EVENT_STDERR) | EVENT_MASK(EVENT_STATUS) | \
     EVENT_MASK(EVENT_PROGRESS) | EVENT_MASK(EVENT_STAGE) | EVENT_MASK(EVENT_GAP) | \
     EVENT_MASK(EVENT_BORG))
#define EVENT_ALL_KINDS ((1u << EVENT_KINDS) - 1)

struct event {
    enum event_kind kind;
    uint64_t id;
    uint64_t gid;
    const char *json; /* borrowed from the record; json_len bytes, no NUL promised */
    size_t json_len;
};

const char *event_kind_name(enum event_kind kind); /* "stdout" … */
/* "stdout,stderr" → mask; unknown or empty words are ERR_BAD_REQUEST naming the field "kinds". */
bool event_kinds_parse(const char *list, unsigned *mask, struct err *e);

/* Appends one record. `t` is Unix time in seconds; `line` is valid UTF-8 or is made so; `data` is
 * JSON text of an object, or NULL. */
void event_render(struct buf *out, enum event_kind kind, uint64_t id, uint64_t gid, double t,
                  const char *line, size_t n, const char *data);
/* Reads the record at p (n bytes to the end of the text); *used gets its length with the newline.
 * False when there is no whole, well-formed record. */
bool event_parse(const char *p, size_t n, struct event *ev, size_t *used);

#endif
