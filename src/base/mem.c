#include "base/mem.h"

#include <malloc.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong calls;
static atomic_ulong fail_at;

static bool must_fail(void)
{
    unsigned long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0)
        return false;
    return atomic_fetch_add(&calls, 1) + 1 == at;
}

unsigned long mem_fail_at(unsigned long n)
{
    unsigned long made = atomic_exchange(&calls, 0);
    atomic_store(&fail_at, n);
    return made;
}

void *mem_alloc(size_t n)
{
    return must_fail() ? NULL : malloc(n ? n : 1);
}

void *mem_zalloc(size_t n)
{
    return must_fail() ? NULL : calloc(1, n ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : realloc(p, n ? n : 1);
}

void mem_free_wiped(void *p)
{
    if (p)
        sodium_memzero(p, malloc_usable_size(p));
    mem_free(p);
}

void *mem_realloc_wiped(void *p, size_t n)
{
    size_t had = p ? malloc_usable_size(p) : 0;
    if (p && n <= had && n >= had / 2)
        return p;
    void *moved = mem_alloc(n);
    if (moved && p) {
        memcpy(moved, p, had < n ? had : n);
        mem_free_wiped(p);
    }
    return moved;
}

char *mem_strndup(const char *s, size_t n)
{
    if (!s)
        return NULL;
    n = strnlen(s, n);
    char *copy = mem_alloc(n + 1);
    if (!copy)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *s)
{
    return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    char *s = mem_alloc((size_t)n + 1);
    if (!s)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void mem_free(void *p)
{
    free(p);
}
