/* buf: a growing byte buffer that names its maximum when it is made.
 *
 * Failure is sticky: once an append would pass the maximum, or memory is gone, `failed` is set,
 * that append and every later one change nothing, and one check at the end is enough. The bytes are
 * always followed by a NUL that is not counted. Not shared between threads. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *p;    /* NULL until the first append */
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* never more than this many bytes in use */
    bool failed;
};

/* An empty buffer that allocates nothing yet. `max` in bytes. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes; the buffer is empty and usable again. NULL is a no-op. */
void buf_done(struct buf *b);
/* The same, wiping the bytes first. */
void buf_wipe(struct buf *b);
/* Empties the buffer and clears `failed`, keeping the memory. */
void buf_reset(struct buf *b);
/* Makes room for `n` more bytes; false (and failed) if it cannot be had. */
bool buf_reserve(struct buf *b, size_t n);
bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) bool buf_printf(struct buf *b, const char *fmt, ...);
/* Decimal digits of v, without printf's cost. */
bool buf_u64(struct buf *b, unsigned long long v);
/* Drops the first n bytes (n ≤ b->n). */
void buf_consume(struct buf *b, size_t n);
/* Hands the bytes to the caller (mem_free) and leaves the buffer empty; NULL if it failed. */
char *buf_take(struct buf *b, size_t *len);
/* The bytes as a string, never NULL. */
const char *buf_str(const struct buf *b);

#endif
