/* secret: bytes that must not be seen. A type of its own, so that no logger or formatter takes it
 * by accident: it has no accessor that returns a plain string but secret_bytes, and tools/lint
 * lists its callers. The bytes are locked in memory where the system allows and wiped when freed.
 * Not shared between threads without a lock. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* A copy of the n bytes; NULL when memory is gone. The caller wipes its own copy. */
struct secret *secret_new(const void *bytes, size_t n);
struct secret *secret_dup(const struct secret *s); /* NULL stays NULL */
void secret_free(struct secret *s);                /* wipes; NULL is a no-op */
void secret_freep(struct secret **s);
size_t secret_len(const struct secret *s); /* 0 for NULL */
/* Borrowed until secret_free; followed by a NUL. "" for NULL. */
const char *secret_bytes(const struct secret *s);
/* Constant time in the contents; different lengths differ. NULL equals only NULL. */
bool secret_equal(const struct secret *a, const struct secret *b);
bool secret_equal_bytes(const struct secret *a, const void *b, size_t n);

#endif
