#include "backup/restore/drill_sample.h"

#include "base/mem.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

const char *drill_outcome_name(enum drill_outcome o)
{
    static const char *const names[] = {
        [DRILL_MISSING] = "missing", [DRILL_EQUAL] = "equal", [DRILL_DIFFERS] = "differs"};
    return names[o];
}

const char *drill_live_name(enum drill_live l)
{
    static const char *const names[] = {
        [LIVE_NOT_ASKED] = NULL,    [LIVE_EQUAL] = "equal", [LIVE_CHANGED] = "changed",
        [LIVE_DIFFERS] = "differs", [LIVE_GONE] = "gone",   [LIVE_UNKNOWN] = "unknown"};
    return names[l];
}

bool drill_sample_init(struct drill_sample *s, size_t max, int64_t max_bytes, uint64_t seed)
{
    *s = (struct drill_sample){.max = max, .max_bytes = max_bytes, .seed = seed, .random = seed};
    s->files = mem_zalloc((max ? max : 1) * sizeof *s->files);
    return s->files != NULL;
}

void drill_sample_done(struct drill_sample *s)
{
    for (size_t i = 0; i < s->count; i++)
        mem_free(s->files[i].path);
    mem_freep(&s->files);
    s->count = 0;
}

/* splitmix64: small, and the same everywhere, so that a seed can be used again. */
static uint64_t next_random(struct drill_sample *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

void drill_sample_add(struct drill_sample *s, const struct entry *e)
{
    if (e->type != '-' || e->hard_link || e->size > s->max_bytes || s->max == 0)
        return;
    uint64_t place = s->seen++;
    if (place >= s->max)
        place = next_random(s) % s->seen;
    if (place >= s->max)
        return;
    char *path = mem_strdup(e->path);
    if (!path) {
        s->failed = true;
        return;
    }
    struct drill_file *f = &s->files[place];
    mem_free(f->path);
    *f = (struct drill_file){.path = path, .size = e->size, .mtime_us = entry_mtime_us(e)};
    if (place >= s->count)
        s->count = (size_t)place + 1;
}

void drill_sample_fit(struct drill_sample *s)
{
    size_t kept = 0, args = 0;
    s->bytes = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct drill_file f = s->files[i];
        size_t n = strlen(f.path) + 16; /* its pattern */
        if (s->bytes + f.size > s->max_bytes || args + n > LIMIT_DRILL_ARGS) {
            mem_free(f.path);
            continue;
        }
        s->bytes += f.size;
        args += n;
        s->files[kept++] = f;
    }
    s->count = kept;
}

void drill_sample_hash(struct drill_sample *s, const struct entry *e)
{
    for (size_t i = 0; i < s->count; i++) {
        struct drill_file *f = &s->files[i];
        if (!e->sha256[0] || strcmp(f->path, e->path) != 0)
            continue;
        memcpy(f->sha256, e->sha256, sizeof f->sha256);
        f->size = e->size;
        f->mtime_us = entry_mtime_us(e);
    }
}
