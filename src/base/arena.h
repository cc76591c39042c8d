/* arena: memory that dies together (one per HTTP request).
 *
 * Allocation is a bump of a pointer; nothing is freed alone. Never store arena memory past the
 * reply. Bounded: past `max` bytes in all, allocation returns NULL. One thread. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena {
    struct arena_block *blocks;
    size_t used;
    size_t max;
};

void arena_init(struct arena *a, size_t max);
void arena_done(struct arena *a);             /* wipes what was used: requests carry secrets */
void *arena_alloc(struct arena *a, size_t n); /* aligned for any type, zeroed */
char *arena_strndup(struct arena *a, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *a, const char *fmt, ...);

#endif
