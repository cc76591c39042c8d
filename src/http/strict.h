/* strict: the raw bytes of a request, checked beside llhttp.
 *
 * llhttp's versions differ in what they let pass (folded lines, bare LF, spaces before a colon,
 * endless chunk extensions). These two small machines accept only what RFC 9112 lets a sender
 * write, byte by byte, so that the outcome depends neither on llhttp's version nor on how the bytes
 * were cut into pieces. Pure; they own nothing. */
#ifndef HTTP_STRICT_H
#define HTTP_STRICT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum http_strict_step { STRICT_MORE, STRICT_END, STRICT_BAD };

struct http_strict_head {
    int state;
    unsigned blank;    /* empty lines before the request line */
    unsigned method_n; /* the method stands at offset 2 × blank */
    unsigned target_n; /* the target one byte after it */
    unsigned version_n;
    unsigned headers; /* header lines begun */
    char version[9];  /* "HTTP/1.1" and a NUL */
};

/* Both machines start zeroed. */

/* Looks at the next n bytes of a head; `used` tells how many belong to it (all of them for
 * STRICT_MORE, up to and with the empty line for STRICT_END). STRICT_BAD fills `e`. */
enum http_strict_step http_strict_head(struct http_strict_head *s, const char *p, size_t n,
                                       size_t *used, struct err *e);

struct http_strict_chunks {
    int state;
    unsigned digits;
    bool nonzero; /* the chunk's size is not 0 */
    bool in_line; /* the trailer line holds a byte */
    size_t spent; /* bytes of extensions and trailers so far */
};

/* Looks at the next n bytes of chunk framing: everything of a chunked body but the chunks' data. */
bool http_strict_chunks(struct http_strict_chunks *s, const char *p, size_t n, struct err *e);

#endif
