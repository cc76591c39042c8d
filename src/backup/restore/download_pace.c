#include "backup/restore/download_pace.h"

#include "limits.h"

void download_pace_taken(struct download_pace *p, size_t n)
{
    p->taken += n;
}

void download_pace_waits(struct download_pace *p, uint64_t now)
{
    if (!p->since)
        p->since = now ? now : 1;
}

void download_pace_ready(struct download_pace *p, uint64_t now)
{
    if (p->since && now > p->since)
        p->waited += now - p->since;
    p->since = 0;
}

bool download_pace_too_slow(struct download_pace *p, uint64_t now)
{
    uint64_t waited = p->waited + (p->since && now > p->since ? now - p->since : 0);
    if (waited < DOWNLOAD_SLOW_MS)
        return false;
    bool slow = p->taken * 1000 < waited * DOWNLOAD_SLOW_RATE;
    p->waited = p->taken = 0;
    if (p->since)
        p->since = now;
    return slow;
}
