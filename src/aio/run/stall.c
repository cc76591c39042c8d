#include "aio/run/stall.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

void stall_init(struct stall *s, uint64_t now_ms)
{
    *s = (struct stall){.moved_ms = now_ms};
}

void stall_moved(struct stall *s, uint64_t now_ms)
{
    s->moved_ms = now_ms;
}

void stall_line(struct stall *s, const char *line, uint64_t now_ms)
{
    char cut[sizeof s->line];
    (void)snprintf(cut, sizeof cut, "%s", line);
    if (strcmp(cut, s->line) == 0)
        return;
    (void)snprintf(s->line, sizeof s->line, "%s", cut);
    stall_moved(s, now_ms);
}

void stall_bytes(struct stall *s, uint64_t bytes, uint64_t now_ms)
{
    if (bytes != s->bytes)
        stall_moved(s, now_ms);
    s->bytes = bytes;
}

enum stall_change stall_look(struct stall *s, uint64_t now_ms, uint64_t limit_ms)
{
    /* What moved it may have been noticed after `now_ms` was taken. */
    bool still = now_ms > s->moved_ms && now_ms - s->moved_ms >= limit_ms;
    if (still == s->stalled)
        return STALL_NONE;
    s->stalled = still;
    return still ? STALL_BEGAN : STALL_OVER;
}

uint64_t stall_io(const json_t *stats)
{
    uint64_t sum = 0;
    size_t i;
    const char *name;
    json_t *v;
    json_array_foreach(
        json_object_get(json_object_get(stats, "blkio_stats"), "io_service_bytes_recursive"), i, v)
        sum += (uint64_t)json_get_int(v, "value", 0);
    json_object_foreach(json_object_get(stats, "networks"), name, v) sum +=
        (uint64_t)json_get_int(v, "rx_bytes", 0) + (uint64_t)json_get_int(v, "tx_bytes", 0);
    return sum;
}
