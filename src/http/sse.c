#include "http/sse.h"

#include <string.h>

static void line(struct buf *b, const char *name, const char *value, size_t n)
{
    (void)buf_puts(b, name);
    (void)buf_append(b, value, n);
    (void)buf_putc(b, '\n');
}

static const char *line_end(const char *p, const char *end)
{
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    return p;
}

/* What follows the id: the event's name, its data line by line, the empty line that ends it. */
static bool event_and_data(struct buf *b, const char *event, const char *data, size_t n)
{
    if (event)
        line(b, "event: ", event, strlen(event));
    const char *end = data + n;
    for (const char *p = data;;) {
        const char *stop = line_end(p, end);
        line(b, "data: ", p, (size_t)(stop - p));
        if (stop == end)
            break;
        p = stop + 1 + (*stop == '\r' && stop + 1 < end && stop[1] == '\n');
    }
    return buf_putc(b, '\n');
}

bool http_sse_event(struct buf *b, const char *id, const char *event, const char *data, size_t n)
{
    if (id)
        line(b, "id: ", id, strlen(id));
    return event_and_data(b, event, n ? data : "", n);
}

bool http_sse_event_id(struct buf *b, uint64_t id, const char *event, const char *data, size_t n)
{
    (void)buf_append(b, "id: ", 4);
    (void)buf_u64(b, id);
    (void)buf_putc(b, '\n');
    return event_and_data(b, event, n ? data : "", n);
}

bool http_sse_id(struct buf *b, const char *id)
{
    line(b, "id: ", id, strlen(id));
    return buf_putc(b, '\n');
}

bool http_sse_retry(struct buf *b, unsigned ms)
{
    (void)buf_puts(b, "retry: ");
    (void)buf_u64(b, ms);
    return buf_append(b, "\n\n", 2);
}

bool http_sse_comment(struct buf *b, const char *text)
{
    line(b, ": ", text, strlen(text));
    return buf_putc(b, '\n');
}
