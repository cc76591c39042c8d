/* mem: allocation with one policy, and the cleanup attribute's fixed vocabulary.
 *
 * mem_* return NULL when memory is gone, like malloc; callers handle it. They exist so that one
 * place can be made to fail on purpose (mem_fail_at, used by the torture tests) and so that the
 * raw allocator is named nowhere else (tools/lint). Any thread. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);            /* uninitialised; n = 0 is treated as 1 */
void *mem_zalloc(size_t n);           /* zeroed */
void *mem_realloc(void *p, size_t n); /* as realloc; the old block stays on failure */
char *mem_strdup(const char *s);      /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
void mem_free(void *p); /* NULL is a no-op */
/* The same for memory that held secrets: what is given back, also in moving, is wiped. */
void mem_free_wiped(void *p);
void *mem_realloc_wiped(void *p, size_t n);
__attribute__((format(printf, 1, 2))) char *mem_printf(const char *fmt, ...);

/* Makes the n-th allocation from now fail (1 = the next), 0 = never; returns how many allocations
 * were made since it was last armed (none are counted while it is not). Only tests use it. */
unsigned long mem_fail_at(unsigned long n);

static inline void mem_freep(void *pp)
{
    void **p = pp;
    mem_free(*p);
    *p = NULL;
}

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE CLEANUP(mem_freep)

/* Hands the pointer on and leaves NULL, so that the cleanup does nothing. */
#define TAKE(p) \
    ({ \
        __typeof__(p) *_pp = &(p); \
        __typeof__(p) _v = *_pp; \
        *_pp = NULL; \
        _v; \
    })

#endif
