#include "http/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].text;
    return "Unknown";
}

/* Formatted once a second: it is the same for all answers of that second. */
static const char *date_now(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == s->date_s)
        return s->date;
    struct tm t;
    if (!gmtime_r(&now.tv_sec, &t))
        return s->date;
    s->date_s = now.tv_sec;
    (void)snprintf(s->date, sizeof s->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                   days + 3 * t.tm_wday, (unsigned)t.tm_mday % 32, months + 3 * t.tm_mon,
                   (unsigned)(t.tm_year + 1900) % 10000, (unsigned)t.tm_hour % 24,
                   (unsigned)t.tm_min % 60, (unsigned)t.tm_sec % 61);
    return s->date;
}

static void field(struct buf *b, const char *name, const char *value)
{
    (void)buf_puts(b, name);
    (void)buf_puts(b, value);
    (void)buf_append(b, "\r\n", 2);
}

bool http_reply_head(struct http_msg *m, const struct http_reply_head *r)
{
    struct buf *b = &m->srv->out;
    buf_reset(b);
    (void)buf_puts(b, "HTTP/1.1 ");
    (void)buf_u64(b, (unsigned long long)r->status);
    (void)buf_putc(b, ' ');
    field(b, "", reason(r->status));
    field(b, "Date: ", date_now(m->srv));
    if (r->type)
        field(b, "Content-Type: ", r->type);
    if (r->length >= 0) {
        (void)buf_puts(b, "Content-Length: ");
        (void)buf_u64(b, (unsigned long long)r->length);
        (void)buf_append(b, "\r\n", 2);
    } else if (r->chunked) {
        field(b, "Transfer-Encoding: ", "chunked");
    }
    if (r->close)
        field(b, "Connection: ", "close");
    else if (m->parse.minor == 0)
        field(b, "Connection: ", "keep-alive");
    field(b, "X-Request-Id: ", m->req.id);
    if (m->extra.n)
        (void)buf_append(b, m->extra.p, m->extra.n);
    return buf_append(b, "\r\n", 2) && !b->failed;
}
