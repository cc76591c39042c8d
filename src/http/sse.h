/* sse: the framing of Server-Sent Events, and nothing of what they say. Appends to a buf, whose
 * sticky failure is the only error. Pure. */
#ifndef HTTP_SSE_H
#define HTTP_SSE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends one event: `id` (left out when NULL), `event` (left out when NULL) and the n bytes of
 * `data`, of which every line gets its own "data:" (lines may end in LF, CR LF or CR). id and event
 * must not hold line ends. */
bool http_sse_event(struct buf *b, const char *id, const char *event, const char *data, size_t n);
/* The same with a number as id. */
bool http_sse_event_id(struct buf *b, uint64_t id, const char *event, const char *data, size_t n);
/* An id alone: the client remembers it, its page sees no event. */
bool http_sse_id(struct buf *b, const char *id);
/* How long the client waits before it connects again, in ms. */
bool http_sse_retry(struct buf *b, unsigned ms);
/* A comment: bytes on the wire that no page sees. One line. */
bool http_sse_comment(struct buf *b, const char *text);

#endif
