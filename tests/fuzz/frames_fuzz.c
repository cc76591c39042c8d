/* The Engine's multiplexed stream on any bytes. The first byte says where it is split: what is
 * heard must not depend on that, and nothing is heard that did not come. */
#include "docker/frames.h"

#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>

struct heard {
    uint64_t sum[2];
    size_t n;
};

static bool on_data(void *arg, bool is_stderr, const char *p, size_t n)
{
    struct heard *h = arg;
    if (n == 0)
        abort();
    h->n += n;
    for (size_t i = 0; i < n; i++)
        h->sum[is_stderr] = h->sum[is_stderr] * 31 + (unsigned char)p[i];
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct frames whole = {0}, split = {0};
    struct heard a = {0}, b = {0};
    const char *p = (const char *)data + 1;
    size_t cut = (size_t)data[0] % n; /* of n − 1 bytes */
    bool sound = frames_feed(&whole, p, n - 1, on_data, &a);
    bool first = frames_feed(&split, p, cut, on_data, &b);
    bool both = first && frames_feed(&split, p + cut, n - 1 - cut, on_data, &b);
    if (sound != both || a.n != b.n || a.n > n || a.sum[0] != b.sum[0] || a.sum[1] != b.sum[1])
        abort();
    if (frames_whole(&whole) && whole.left)
        abort();
    return 0;
}
