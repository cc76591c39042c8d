/* parse: one HTTP/1.x request from bytes to fields, pure: no loop, no socket, no clock.
 *
 * The head's bytes are gathered and checked one by one (strict.h); when they are all there llhttp
 * reads them, and both must agree. The body then goes through llhttp piece by piece. The outcome
 * never depends on how the bytes were cut into pieces.
 * A parser owns its buffers; every string it shows points into them and lives until
 * http_parse_reset or _done. */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"
#include "http/strict.h"
#include "limits.h"

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_parse_step {
    PARSE_MORE,  /* all bytes were taken, more are needed */
    PARSE_HEAD,  /* the head is complete: look at it, set body_max, feed on */
    PARSE_DONE,  /* the request is complete */
    PARSE_FAILED /* malformed or over a limit: answer with the error and close */
};

enum http_parse_state { PARSING_HEAD, PARSING_BODY, PARSING_OVER };

struct http_parse {
    /* Valid from PARSE_HEAD on. */
    enum http_method method;
    const char *method_name, *target, *path, *query;
    struct http_header headers[LIMIT_HEADERS];
    size_t header_count;
    int minor;            /* HTTP/1.minor */
    bool keep_alive;      /* as the client wishes */
    bool expect_continue; /* it waits for "100 Continue" before it sends the body */
    bool has_body, chunked;
    uint64_t content_length; /* when not chunked */
    size_t body_max;         /* the caller may change it at PARSE_HEAD */
    /* Valid from PARSE_DONE on. */
    struct buf body;

    /* private */
    enum http_parse_state state;
    llhttp_t ll;
    struct http_strict_head strict;
    struct http_strict_chunks chunks;
    struct buf head;
    struct err fault; /* found inside a callback of llhttp */
    size_t url_n;     /* llhttp's view of the target's length */
    size_t name_n;    /* bytes of the header name that is being read */
    const char *mark; /* framing bytes up to here were checked */
    bool body_begun;
    bool complete; /* llhttp saw the end of the request */
};

void http_parse_init(struct http_parse *p);
/* Ready for the next request. What was read is wiped; small buffers are kept. */
void http_parse_reset(struct http_parse *p);
void http_parse_done(struct http_parse *p);

/* Feeds the next n bytes; `used` tells how many were taken (n for PARSE_MORE). After PARSE_HEAD the
 * rest is fed by another call, which for a request without a body may have n = 0. PARSE_FAILED
 * fills `e`; nothing may be fed after it or after PARSE_DONE. */
enum http_parse_step http_parse_feed(struct http_parse *p, const char *data, size_t n, size_t *used,
                                     struct err *e);

/* First header of that lower-case name, or NULL. */
const char *http_parse_header(const struct http_parse *p, const char *name);

#endif
