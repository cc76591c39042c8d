#include "jobs/block.h"

#include "base/mem.h"
#include "limits.h"

#include <string.h>

enum {
    OFFSETS_FIRST = 16,
    TEXT_USUAL = EVENT_BLOCK + 8 * 1024, /* sealed at EVENT_BLOCK, so few pass this */
};

struct block *block_new(const char *job, uint64_t first_id)
{
    size_t n = strlen(job);
    struct block *b = n < sizeof b->job ? mem_zalloc(sizeof *b) : NULL;
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    memcpy(b->job, job, n + 1);
    b->first_id = first_id;
    buf_init(&b->text, TEXT_USUAL);
    return b;
}

struct block *block_ref(struct block *b)
{
    (void)atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void block_unref(struct block *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    buf_done(&b->text);
    mem_free(b->offsets);
    mem_free(b);
}

static bool offsets_grow(struct block *b)
{
    if (b->count < b->offsets_cap)
        return true;
    uint32_t cap = b->offsets_cap ? b->offsets_cap * 2 : OFFSETS_FIRST;
    uint32_t *p = mem_realloc(b->offsets, cap * sizeof *p);
    if (!p)
        return false;
    b->offsets = p;
    b->offsets_cap = cap;
    return true;
}

/* Renders at the end of the text, or leaves it as it was. */
static bool render(struct block *b, enum event_kind kind, uint64_t gid, double t, const char *line,
                   size_t n, const char *data)
{
    size_t at = b->text.n;
    event_render(&b->text, kind, b->first_id + b->count, gid, t, line, n, data);
    if (!b->text.failed)
        return true;
    b->text.n = at;
    b->text.failed = false;
    if (b->text.p)
        b->text.p[at] = '\0';
    return false;
}

bool block_add(struct block *b, enum event_kind kind, uint64_t gid, double t, const char *line,
               size_t n, const char *data)
{
    size_t at = b->text.n;
    if (!offsets_grow(b))
        return false;
    if (!render(b, kind, gid, t, line, n, data)) {
        if (b->text.max == BLOCK_TEXT)
            return false;
        b->text.max = BLOCK_TEXT;
        if (!render(b, kind, gid, t, line, n, data))
            return false;
    }
    b->offsets[b->count] = (uint32_t)at;
    if (b->count++ == 0)
        b->first_gid = gid;
    b->last_gid = gid;
    return true;
}

bool block_get(const struct block *b, uint64_t id, struct event *ev)
{
    if (id < b->first_id || id - b->first_id >= b->count)
        return false;
    size_t at = b->offsets[id - b->first_id], used;
    return event_parse(b->text.p + at, b->text.n - at, ev, &used);
}
