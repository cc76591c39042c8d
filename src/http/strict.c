#include "http/strict.h"

#include "limits.h"

#include <stdint.h>
#include <string.h>

enum head_state {
    AT_START,
    AT_START_LF,
    IN_METHOD,
    IN_TARGET,
    IN_VERSION,
    AT_REQUEST_LF,
    AT_LINE,
    IN_NAME,
    IN_VALUE,
    AT_VALUE_LF,
    AT_END_LF,
    HEAD_ENDED,
    HEAD_REFUSED
};

enum { MAX_BLANK = 2 }; /* empty lines that old clients send after a body */

/* Letters of RFC 9110's token: one bit for each of the first 128 characters. */
static bool is_token(unsigned char c)
{
    static const uint64_t set[2] = {0x03ff6cfa00000000ULL, 0x57ffffffc7fffffeULL};
    return c < 128 && (set[c >> 6] >> (c & 63) & 1);
}

static bool is_value(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool start_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    if (c == '\r' && s->blank < MAX_BLANK) {
        s->state = AT_START_LF;
        return true;
    }
    if (!is_token(c))
        return err_set(e, ERR_BAD_REQUEST, "the request line must begin with a method");
    s->state = IN_METHOD;
    s->method_n = 1;
    return true;
}

static bool method_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    if (c == ' ') {
        s->state = IN_TARGET;
        return true;
    }
    if (!is_token(c))
        return err_set(e, ERR_BAD_REQUEST, "the request line is malformed");
    if (++s->method_n > LIMIT_METHOD)
        return err_set(e, ERR_NOT_IMPLEMENTED, "the method is not known here");
    return true;
}

static bool target_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    if (c == ' ' && s->target_n > 0) {
        s->state = IN_VERSION;
        return true;
    }
    if (c <= 0x20 || c >= 0x7f || c == '#')
        return err_set(e, ERR_BAD_REQUEST,
                       "the request target must be printable ASCII without spaces or '#'");
    if (++s->target_n > LIMIT_TARGET)
        return err_set(e, ERR_URI_TOO_LONG, "the request target is longer than %d bytes",
                       LIMIT_TARGET);
    return true;
}

/* "HTTP/1.0" and "HTTP/1.1" are served; other versions of HTTP get their own answer. */
static bool version_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    static const char prefix[] = "HTTP/";
    if (c == '\r') {
        s->state = AT_REQUEST_LF;
        if (!strcmp(s->version, "HTTP/1.1") || !strcmp(s->version, "HTTP/1.0"))
            return true;
        if (s->version_n > sizeof prefix - 1)
            return err_set(e, ERR_VERSION_UNSUPPORTED, "only HTTP/1.1 and HTTP/1.0 are spoken");
        return err_set(e, ERR_BAD_REQUEST, "the request line is malformed");
    }
    unsigned at = s->version_n;
    bool ok = at < sizeof prefix - 1 ? c == (unsigned char)prefix[at]
                                     : (c >= '0' && c <= '9') || c == '.';
    if (!ok || at + 1 >= sizeof s->version)
        return err_set(e, ERR_BAD_REQUEST, "the request line must end with HTTP/1.1 or HTTP/1.0");
    s->version[s->version_n++] = (char)c;
    return true;
}

static bool line_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    if (c == '\r') {
        s->state = AT_END_LF;
        return true;
    }
    if (c == ' ' || c == '\t')
        return err_set(e, ERR_BAD_REQUEST, "folded header lines are not accepted");
    if (!is_token(c))
        return err_set(e, ERR_BAD_REQUEST, "a header line must begin with a name");
    if (++s->headers > LIMIT_HEADERS)
        return err_set(e, ERR_HEAD_TOO_LARGE, "more than %d header fields", LIMIT_HEADERS);
    s->state = IN_NAME;
    return true;
}

static bool name_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    if (c == ':')
        s->state = IN_VALUE;
    else if (!is_token(c))
        return err_set(e, ERR_BAD_REQUEST, "a header name holds a character that it may not");
    return true;
}

static bool value_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    if (c == '\r')
        s->state = AT_VALUE_LF;
    else if (!is_value(c))
        return err_set(e, ERR_BAD_REQUEST, "a header value holds a control character");
    return true;
}

static bool expect_lf(struct http_strict_head *s, unsigned char c, int next, struct err *e)
{
    if (c != '\n')
        return err_set(e, ERR_BAD_REQUEST, "lines must end with CR LF");
    s->state = next;
    return true;
}

static bool head_byte(struct http_strict_head *s, unsigned char c, struct err *e)
{
    switch ((enum head_state)s->state) {
    case AT_START:
        return start_byte(s, c, e);
    case AT_START_LF:
        s->blank++;
        return expect_lf(s, c, AT_START, e);
    case IN_METHOD:
        return method_byte(s, c, e);
    case IN_TARGET:
        return target_byte(s, c, e);
    case IN_VERSION:
        return version_byte(s, c, e);
    case AT_REQUEST_LF:
    case AT_VALUE_LF:
        return expect_lf(s, c, AT_LINE, e);
    case AT_LINE:
        return line_byte(s, c, e);
    case IN_NAME:
        return name_byte(s, c, e);
    case IN_VALUE:
        return value_byte(s, c, e);
    case AT_END_LF:
        return expect_lf(s, c, HEAD_ENDED, e);
    case HEAD_ENDED:
    case HEAD_REFUSED:
        break;
    }
    return err_set(e, ERR_BAD_REQUEST, "the request was refused already");
}

enum http_strict_step http_strict_head(struct http_strict_head *s, const char *p, size_t n,
                                       size_t *used, struct err *e)
{
    size_t i = 0;
    while (i < n && s->state != HEAD_ENDED) {
        /* Values are most of a head: they are run through without the state machine. */
        while (s->state == IN_VALUE && i < n && is_value((unsigned char)p[i]))
            i++;
        if (i == n)
            break;
        if (!head_byte(s, (unsigned char)p[i++], e)) {
            s->state = HEAD_REFUSED;
            *used = i;
            return STRICT_BAD;
        }
    }
    *used = i;
    return s->state == HEAD_ENDED ? STRICT_END : STRICT_MORE;
}

/* ---- chunk framing ---- */

enum chunk_state {
    AT_SIZE,
    IN_EXTENSION,
    AT_SIZE_LF,
    AT_DATA_CR,
    AT_DATA_LF,
    AT_TRAILER,
    AT_TRAILER_LF,
    CHUNKS_ENDED
};

enum { MAX_SIZE_DIGITS = 8 };

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool bad_chunk(struct err *e)
{
    return err_set(e, ERR_BAD_REQUEST, "the chunked body is malformed");
}

static bool spend(struct http_strict_chunks *s, struct err *e)
{
    if (++s->spent > LIMIT_CHUNK_EXT)
        return err_set(e, ERR_BODY_TOO_LARGE, "more than %d bytes of chunk extensions and trailers",
                       LIMIT_CHUNK_EXT);
    return true;
}

static bool size_byte(struct http_strict_chunks *s, unsigned char c, struct err *e)
{
    if (is_hex(c)) {
        s->nonzero |= c != '0';
        return ++s->digits <= MAX_SIZE_DIGITS || bad_chunk(e);
    }
    if (s->digits == 0 || (c != ';' && c != '\r'))
        return bad_chunk(e);
    s->state = c == ';' ? IN_EXTENSION : AT_SIZE_LF;
    return true;
}

static bool extension_byte(struct http_strict_chunks *s, unsigned char c, struct err *e)
{
    if (c == '\r') {
        s->state = AT_SIZE_LF;
        return true;
    }
    return is_value(c) ? spend(s, e) : bad_chunk(e);
}

static bool trailer_byte(struct http_strict_chunks *s, unsigned char c, struct err *e)
{
    if (c == '\r') {
        s->state = AT_TRAILER_LF;
        return true;
    }
    bool folded = !s->in_line && (c == ' ' || c == '\t');
    s->in_line = true;
    return is_value(c) && !folded ? spend(s, e) : bad_chunk(e);
}

static bool after_size(struct http_strict_chunks *s)
{
    s->state = s->nonzero ? AT_DATA_CR : AT_TRAILER;
    s->digits = 0;
    s->nonzero = false;
    return true;
}

static bool after_trailer(struct http_strict_chunks *s)
{
    s->state = s->in_line ? AT_TRAILER : CHUNKS_ENDED;
    s->in_line = false;
    return true;
}

static bool chunk_byte(struct http_strict_chunks *s, unsigned char c, struct err *e)
{
    switch ((enum chunk_state)s->state) {
    case AT_SIZE:
        return size_byte(s, c, e);
    case IN_EXTENSION:
        return extension_byte(s, c, e);
    case AT_SIZE_LF:
        return c == '\n' ? after_size(s) : bad_chunk(e);
    case AT_DATA_CR:
        s->state = AT_DATA_LF;
        return c == '\r' || bad_chunk(e);
    case AT_DATA_LF:
        s->state = AT_SIZE;
        return c == '\n' || bad_chunk(e);
    case AT_TRAILER:
        return trailer_byte(s, c, e);
    case AT_TRAILER_LF:
        return c == '\n' ? after_trailer(s) : bad_chunk(e);
    case CHUNKS_ENDED:
        break;
    }
    return bad_chunk(e);
}

bool http_strict_chunks(struct http_strict_chunks *s, const char *p, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!chunk_byte(s, (unsigned char)p[i], e))
            return false;
    return true;
}
