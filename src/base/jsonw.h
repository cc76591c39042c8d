/* jsonw: writes JSON text straight into a buf, without building a tree.
 *
 * Commas and quotes are the writer's business; nesting is the caller's (each begin has its end).
 * Text is written as JSON strings: what is not valid UTF-8 becomes U+FFFD, control characters are
 * escaped, other characters stay as they are. Failure is the buf's sticky failure. */
#ifndef BASE_JSONW_H
#define BASE_JSONW_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jsonw {
    struct buf *b;
    bool comma; /* a value precedes on this level */
};

void jsonw_init(struct jsonw *w, struct buf *b);
void jsonw_begin_object(struct jsonw *w);
void jsonw_end_object(struct jsonw *w);
void jsonw_begin_array(struct jsonw *w);
void jsonw_end_array(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key); /* plain ASCII, not escaped */
void jsonw_str(struct jsonw *w, const char *s);   /* NULL writes null */
void jsonw_strn(struct jsonw *w, const char *s, size_t n);
void jsonw_int(struct jsonw *w, int64_t v);
void jsonw_seconds(struct jsonw *w, double t); /* three decimals; not finite writes null */
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_raw(struct jsonw *w, const char *json, size_t n); /* already JSON; n = 0 writes null */

/* key and value in one call */
void jsonw_kstr(struct jsonw *w, const char *key, const char *s);
void jsonw_kint(struct jsonw *w, const char *key, int64_t v);
void jsonw_kseconds(struct jsonw *w, const char *key, double t);
void jsonw_kbool(struct jsonw *w, const char *key, bool v);
void jsonw_kraw(struct jsonw *w, const char *key, const char *json); /* NULL writes null */

/* Appends the n bytes at s as the inside of a JSON string (no quotes). */
void jsonw_escape(struct buf *b, const char *s, size_t n);

#endif
