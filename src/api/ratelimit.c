#include "api/ratelimit.h"

#include "base/mem.h"
#include "limits.h"

#include <stdio.h>
#include <string.h>

struct bucket {
    char identity[24];
    const void *route;
    uint64_t used_ms;
    uint64_t *times; /* a ring of `max` */
    unsigned max, first, count;
};

struct ratelimit {
    double scale;
    uint64_t blocked;
    size_t used;
    struct bucket buckets[RATE_TABLE];
};

struct ratelimit *ratelimit_new(double scale)
{
    struct ratelimit *r = mem_zalloc(sizeof *r);
    if (r)
        r->scale = scale;
    return r;
}

void ratelimit_free(struct ratelimit *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->used; i++)
        mem_free(r->buckets[i].times);
    mem_free(r);
}

static unsigned scaled(const struct ratelimit *r, unsigned max)
{
    double m = (double)max * r->scale;
    return m < 1 ? 1 : m > RATE_CALLS ? RATE_CALLS : (unsigned)m;
}

static struct bucket *place(struct ratelimit *r)
{
    if (r->used < RATE_TABLE)
        return &r->buckets[r->used++];
    struct bucket *oldest = &r->buckets[0];
    for (size_t i = 1; i < r->used; i++)
        if (r->buckets[i].used_ms < oldest->used_ms)
            oldest = &r->buckets[i];
    mem_free(oldest->times);
    return oldest;
}

static struct bucket *find(struct ratelimit *r, const char *identity, const void *route,
                           unsigned max)
{
    for (size_t i = 0; i < r->used; i++) {
        struct bucket *b = &r->buckets[i];
        if (b->route == route && b->times && strcmp(b->identity, identity) == 0)
            return b;
    }
    uint64_t *times = mem_alloc(max * sizeof *times);
    if (!times)
        return NULL;
    struct bucket *b = place(r);
    *b = (struct bucket){.route = route, .times = times, .max = max};
    (void)snprintf(b->identity, sizeof b->identity, "%s", identity);
    return b;
}

static unsigned seconds_up(uint64_t ms)
{
    return (unsigned)((ms + 999) / 1000);
}

struct rate_answer ratelimit_take(struct ratelimit *r, const char *identity, const void *route,
                                  unsigned max, unsigned window_s, uint64_t now_ms)
{
    max = scaled(r, max);
    uint64_t window = (uint64_t)window_s * 1000;
    struct rate_answer a = {.allowed = true, .max = max, .window_s = window_s};
    struct bucket *b = find(r, identity, route, max);
    if (!b)
        return a;
    b->used_ms = now_ms;
    while (b->count > 0 && now_ms - b->times[b->first] >= window) {
        b->first = (b->first + 1) % b->max;
        b->count--;
    }
    if (b->count == b->max) {
        a.allowed = false;
        a.reset_s = seconds_up(b->times[b->first] + window - now_ms);
        r->blocked++;
        return a;
    }
    b->times[(b->first + b->count++) % b->max] = now_ms;
    a.remaining = b->max - b->count;
    a.reset_s = window_s;
    return a;
}

uint64_t ratelimit_blocked(const struct ratelimit *r)
{
    return r->blocked;
}
