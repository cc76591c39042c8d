/* lines on any bytes: fed in chunks it gives the same lines as fed whole, what it gives is valid
 * UTF-8 without line ends, and a secret in the input never shows, in whichever form. The first byte
 * of the input chooses the chunks. */
#include "base/buf.h"
#include "base/utf8.h"
#include "jobs/lines.h"
#include "limits.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 64 * 1024 * 1024 };

static const char secret_text[] = "s3cr/t\xC3\xA9";
static const char *const shown_forms[] = {
    "s3cr/t\xC3\xA9", "s3cr\\/t\xC3\xA9", "s3cr/t\\u00e9",    "s3cr\\/t\\u00E9",
    "s3cr%2Ft%C3%A9", "s3cr%2ft%c3%a9",   "s3cr/t\\xc3\\xa9", "%73%33%63%72%2F%74%C3%A9",
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void collect(void *arg, const char *text, size_t n)
{
    must(utf8_valid(text, n));
    must(!memchr(text, '\n', n) && !memchr(text, '\r', n) && !memchr(text, '\x1b', n));
    must(n <= LIMIT_LINE_SHOWN + 64);
    for (size_t i = 0; i < sizeof shown_forms / sizeof shown_forms[0]; i++)
        must(!memmem(text, n, shown_forms[i], strlen(shown_forms[i])));
    must(buf_append(arg, text, n) && buf_putc(arg, '\n'));
}

static void feed(const struct redact *r, const char *p, size_t n, size_t chunk, struct buf *out)
{
    struct lines *l = lines_new(r, collect, out);
    must(l != NULL);
    for (size_t i = 0; i < n;) {
        size_t k = chunk < n - i ? chunk : n - i;
        lines_feed(l, p + i, k, 1000);
        i += k;
        chunk = chunk * 5 % 97 + 1;
    }
    lines_end(l);
    lines_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct redact *r = redact_new();
    struct secret *s = secret_new(secret_text, sizeof secret_text - 1);
    must(r && s && redact_add(r, s, false));
    struct buf whole, parts;
    buf_init(&whole, OUT_MAX);
    buf_init(&parts, OUT_MAX);
    const char *p = (const char *)data + 1;
    feed(r, p, n - 1, n, &whole);
    feed(r, p, n - 1, (size_t)data[0] + 1, &parts);
    must(whole.n == parts.n && (whole.n == 0 || memcmp(whole.p, parts.p, whole.n) == 0));
    buf_done(&whole);
    buf_done(&parts);
    secret_free(s);
    redact_free(r);
    return 0;
}
