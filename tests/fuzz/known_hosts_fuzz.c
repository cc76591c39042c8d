/* Any bytes as known_hosts: the lines together are the whole text, and a host that was taken out is
 * not there any more, while taking out one that is not there changes no byte. */
#include "backup/ssh/known_hosts.h"
#include "base/buf.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static size_t count(const char *text, size_t n, const char *name)
{
    struct known_line l;
    size_t at = 0, seen = 0, found = 0;
    while (known_hosts_line(text, n, &at, &l)) {
        must(l.text == text + seen && l.whole > 0 && l.n <= l.whole);
        seen += l.whole;
        must(at == seen);
        found += !l.marker && known_hosts_names(&l, name);
    }
    must(seen == n);
    return found;
}

static void take_out(const char *text, size_t n, const char *name)
{
    struct buf out;
    buf_init(&out, KNOWN_HOSTS_FILE);
    size_t found = count(text, n, name);
    must(known_hosts_without(text, n, name, NULL, &out) == found);
    if (found == 0)
        must(out.n == n && (n == 0 || memcmp(out.p, text, n) == 0));
    else
        must(out.n < n && count(buf_str(&out), out.n, name) == 0);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 64 * 1024)
        return 0;
    take_out((const char *)data, n, "host");
    take_out((const char *)data, n, "[host]:2222");
    take_out((const char *)data, n, "host.example");
    return 0;
}
