#include "base/secret.h"

#include "base/mem.h"

#include <sodium.h>
#include <string.h>

struct secret {
    size_t n;
    char bytes[]; /* n bytes and a NUL */
};

struct secret *secret_new(const void *bytes, size_t n)
{
    struct secret *s = mem_alloc(sizeof *s + n + 1);
    if (!s)
        return NULL;
    (void)sodium_mlock(s, sizeof *s + n + 1); /* best effort: RLIMIT_MEMLOCK may be 0 */
    s->n = n;
    if (n)
        memcpy(s->bytes, bytes, n);
    s->bytes[n] = '\0';
    return s;
}

struct secret *secret_dup(const struct secret *s)
{
    return s ? secret_new(s->bytes, s->n) : NULL;
}

void secret_free(struct secret *s)
{
    if (!s)
        return;
    size_t size = sizeof *s + s->n + 1;
    sodium_memzero(s, size);
    (void)sodium_munlock(s, size);
    mem_free(s);
}

void secret_freep(struct secret **s)
{
    secret_free(*s);
    *s = NULL;
}

size_t secret_len(const struct secret *s)
{
    return s ? s->n : 0;
}

const char *secret_bytes(const struct secret *s)
{
    return s ? s->bytes : "";
}

bool secret_equal_bytes(const struct secret *a, const void *b, size_t n)
{
    return a && a->n == n && sodium_memcmp(a->bytes, b, n) == 0;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    if (!a || !b)
        return a == b;
    return secret_equal_bytes(a, b->bytes, b->n);
}
