#include "http/fields.h"

#include <string.h>
#include <strings.h>

/* How often each steering field came, and its value. */
struct steering {
    unsigned hosts, lengths, encodings, expects;
    const char *host, *length, *encoding, *expect;
    bool close, keep_alive;
};

enum { MAX_LENGTH_DIGITS = 18 }; /* always fits in 63 bits */

static enum http_method method_of(const char *name)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return (enum http_method)(HTTP_M_GET + (int)i);
    return HTTP_M_OTHER;
}

/* The Connection field is a list of words; only two matter here. */
static void read_connection(const char *value, struct steering *s)
{
    for (const char *at = value; *at;) {
        at += strspn(at, ", \t");
        size_t n = strcspn(at, ", \t");
        if (n == 5 && !strncasecmp(at, "close", n))
            s->close = true;
        if (n == 10 && !strncasecmp(at, "keep-alive", n))
            s->keep_alive = true;
        at += n;
    }
}

static void collect(const struct http_parse *p, struct steering *s)
{
    for (size_t i = 0; i < p->header_count; i++) {
        const char *name = p->headers[i].name, *value = p->headers[i].value;
        if (!strcmp(name, "host")) {
            s->hosts++;
            s->host = value;
        } else if (!strcmp(name, "content-length")) {
            s->lengths++;
            s->length = value;
        } else if (!strcmp(name, "transfer-encoding")) {
            s->encodings++;
            s->encoding = value;
        } else if (!strcmp(name, "expect")) {
            s->expects++;
            s->expect = value;
        } else if (!strcmp(name, "connection")) {
            read_connection(value, s);
        }
    }
}

static bool check_target(const struct http_parse *p, struct err *e)
{
    if (p->target[0] == '/')
        return true;
    if (p->method == HTTP_M_OPTIONS && !strcmp(p->target, "*"))
        return true;
    return err_set(e, ERR_BAD_REQUEST, "the request target must be a path that begins with '/'");
}

static bool check_host(const struct http_parse *p, const struct steering *s, struct err *e)
{
    if (s->hosts > 1)
        return err_set(e, ERR_BAD_REQUEST, "more than one Host header");
    if (s->hosts == 0)
        return p->minor == 0 || err_set(e, ERR_BAD_REQUEST, "the Host header is missing");
    for (const char *c = s->host; *c; c++) {
        bool letter = (*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z');
        if (!letter && !strchr(".-_:[]%~", *c))
            return err_set(e, ERR_BAD_REQUEST, "the Host header is not a host name");
    }
    return true;
}

static bool read_length(struct http_parse *p, const struct steering *s, struct err *e)
{
    if (s->lengths == 0)
        return true;
    if (s->lengths > 1)
        return err_set(e, ERR_BAD_REQUEST, "more than one Content-Length header");
    size_t digits = strspn(s->length, "0123456789");
    if (digits == 0 || s->length[digits])
        return err_set(e, ERR_BAD_REQUEST, "Content-Length must be a plain decimal number");
    if (digits > MAX_LENGTH_DIGITS)
        return err_set(e, ERR_BODY_TOO_LARGE, "the body is too large");
    for (size_t i = 0; i < digits; i++)
        p->content_length = p->content_length * 10 + (uint64_t)(s->length[i] - '0');
    return true;
}

static bool read_encoding(struct http_parse *p, const struct steering *s, struct err *e)
{
    if (s->encodings == 0)
        return true;
    if (s->lengths > 0)
        return err_set(e, ERR_BAD_REQUEST, "Content-Length and Transfer-Encoding together");
    if (s->encodings > 1)
        return err_set(e, ERR_BAD_REQUEST, "more than one Transfer-Encoding header");
    if (p->minor == 0)
        return err_set(e, ERR_BAD_REQUEST, "HTTP/1.0 knows no Transfer-Encoding");
    if (strcasecmp(s->encoding, "chunked") != 0)
        return err_set(e, ERR_NOT_IMPLEMENTED, "the only Transfer-Encoding taken is chunked");
    p->chunked = true;
    return true;
}

static bool read_expect(struct http_parse *p, const struct steering *s, struct err *e)
{
    if (s->expects == 0 || p->minor == 0)
        return true;
    if (s->expects > 1 || strcasecmp(s->expect, "100-continue") != 0)
        return err_set(e, ERR_EXPECTATION_FAILED, "the only expectation met is 100-continue");
    p->expect_continue = p->has_body;
    return true;
}

bool http_fields_read(struct http_parse *p, struct err *e)
{
    struct steering s = {0};
    collect(p, &s);
    p->method = method_of(p->method_name);
    p->keep_alive = !s.close && (p->minor == 1 || s.keep_alive);
    if (!check_target(p, e) || !check_host(p, &s, e) || !read_length(p, &s, e) ||
        !read_encoding(p, &s, e))
        return false;
    p->has_body = p->chunked || p->content_length > 0;
    return read_expect(p, &s, e);
}
