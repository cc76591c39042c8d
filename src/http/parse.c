#include "http/parse.h"

#include "http/fields.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum {
    HEAD_FIRST = 1024,   /* room for a usual head in one allocation */
    BODY_AT_ONCE = 16384 /* a body up to this size never moves: its bytes may be secrets */
};

/* ---- llhttp's callbacks ----
 * While the head is read they see one unbroken piece of memory, so a span that comes in fragments
 * is one pointer and a growing length. */

static struct http_parse *self(llhttp_t *ll)
{
    return ll->data;
}

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
    self(ll)->url_n += n;
    return 0;
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
    struct http_parse *p = self(ll);
    if (p->state != PARSING_HEAD || n == 0)
        return 0; /* a trailer: read and dropped */
    if (p->name_n == 0) {
        if (p->header_count < LIMIT_HEADERS)
            p->headers[p->header_count] = (struct http_header){at, ""};
        p->header_count++; /* more than there is room for: compared afterwards */
    }
    p->name_n += n;
    return 0;
}

static int on_field_complete(llhttp_t *ll)
{
    self(ll)->name_n = 0; /* the next piece of a name begins a new header */
    return 0;
}

static int on_headers_complete(llhttp_t *ll)
{
    ll->upgrade = 0; /* no other protocol is ever switched to */
    return HPE_PAUSED;
}

/* Bytes between the data of two chunks are framing. */
static bool check_framing(struct http_parse *p, const char *end)
{
    size_t n = (size_t)(end - p->mark);
    p->mark = end;
    if (n == 0)
        return true;
    return p->chunked ? http_strict_chunks(&p->chunks, p->mark - n, n, &p->fault)
                      : err_set(&p->fault, ERR_BAD_REQUEST, "the body is malformed");
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
    struct http_parse *p = self(ll);
    if (!check_framing(p, at))
        return HPE_USER;
    p->mark = at + n;
    if (buf_append(&p->body, at, n))
        return 0;
    if (n > p->body.max - p->body.n)
        err_set(&p->fault, ERR_BODY_TOO_LARGE, "the body is larger than %zu bytes", p->body_max);
    else
        err_set(&p->fault, ERR_NO_MEMORY, "out of memory");
    return HPE_USER;
}

static int on_message_complete(llhttp_t *ll)
{
    self(ll)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- the head ---- */

/* The head's bytes are ours and writable; llhttp hands them back as const. */
static char *writable(struct http_parse *p, const char *at)
{
    return p->head.p + (at - p->head.p);
}

/* Ends every name and value with a NUL in place: the byte after each is its colon, its white space
 * or its CR, and nobody needs that any more. */
static void cut_headers(struct http_parse *p)
{
    for (size_t i = 0; i < p->header_count; i++) {
        struct http_header *h = &p->headers[i];
        char *c = writable(p, h->name);
        for (; *c != ':'; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c | 0x20);
        *c++ = '\0';
        char *start = c + strspn(c, " \t");
        char *end = start + strcspn(start, "\r");
        while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        h->value = start;
        *end = '\0';
    }
}

static void cut_request_line(struct http_parse *p)
{
    char *method = p->head.p + 2 * (size_t)p->strict.blank;
    char *target = method + p->strict.method_n + 1;
    method[p->strict.method_n] = '\0';
    target[p->strict.target_n] = '\0';
    p->method_name = method;
    p->target = p->path = target;
    p->query = "";
    p->minor = p->strict.version[7] - '0';
    char *mark = strchr(target, '?');
    if (!mark)
        return;
    /* Room for the path's copy was reserved: this cannot fail and nothing moves. */
    size_t at = p->head.n;
    (void)buf_append(&p->head, target, (size_t)(mark - target));
    p->path = p->head.p + at;
    p->query = mark + 1;
}

static bool run_llhttp_on_head(struct http_parse *p, struct err *e)
{
    llhttp_init(&p->ll, HTTP_REQUEST, &callbacks);
    p->ll.data = p;
    enum llhttp_errno rc = llhttp_execute(&p->ll, p->head.p, p->head.n);
    if (rc == HPE_INVALID_METHOD)
        return err_set(e, ERR_NOT_IMPLEMENTED, "the method is not known here");
    bool agree = rc == HPE_PAUSED && llhttp_get_error_pos(&p->ll) == p->head.p + p->head.n &&
                 p->url_n == p->strict.target_n && p->header_count == p->strict.headers;
    return agree || err_set(e, ERR_BAD_REQUEST, "the request head is malformed");
}

static bool finish_head(struct http_parse *p, struct err *e)
{
    if (!buf_reserve(&p->head, p->strict.target_n + 1))
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    if (!run_llhttp_on_head(p, e))
        return false;
    cut_headers(p);
    cut_request_line(p);
    if (!http_fields_read(p, e))
        return false;
    bool chunked = p->ll.flags & F_CHUNKED;
    bool agree = chunked == p->chunked && (chunked || p->ll.content_length == p->content_length);
    return agree || err_set(e, ERR_BAD_REQUEST, "the body's length is ambiguous");
}

static enum http_parse_step failed(struct http_parse *p)
{
    p->state = PARSING_OVER;
    return PARSE_FAILED;
}

static enum http_parse_step feed_head(struct http_parse *p, const char *data, size_t n,
                                      size_t *used, struct err *e)
{
    size_t room = LIMIT_HEAD - p->head.n, look = n < room ? n : room;
    enum http_strict_step step = http_strict_head(&p->strict, data, look, used, e);
    if (step == STRICT_BAD)
        return failed(p);
    if (step == STRICT_MORE && look < n) {
        (void)err_set(e, ERR_HEAD_TOO_LARGE, "the request head is larger than %d bytes",
                      LIMIT_HEAD);
        return failed(p);
    }
    if (p->head.cap == 0)
        (void)buf_reserve(&p->head, HEAD_FIRST);
    if (!buf_append(&p->head, data, *used)) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return failed(p);
    }
    if (step == STRICT_MORE)
        return PARSE_MORE;
    if (!finish_head(p, e))
        return failed(p);
    p->state = PARSING_BODY;
    return PARSE_HEAD;
}

/* ---- the body ---- */

/* The first piece of a body: only now its maximum is known. */
static bool begin_body(struct http_parse *p, struct err *e)
{
    if (!p->chunked && p->content_length > p->body_max)
        return err_set(e, ERR_BODY_TOO_LARGE, "the body is larger than %zu bytes", p->body_max);
    p->body_begun = true;
    buf_init(&p->body, p->body_max);
    size_t expected =
        p->chunked || p->content_length > BODY_AT_ONCE ? BODY_AT_ONCE : (size_t)p->content_length;
    if (!buf_reserve(&p->body, expected < p->body_max ? expected : p->body_max))
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    llhttp_resume(&p->ll);
    return true;
}

static bool run_llhttp_on_body(struct http_parse *p, const char *data, size_t n, size_t *used,
                               struct err *e)
{
    p->mark = data;
    enum llhttp_errno rc = llhttp_execute(&p->ll, data, n);
    bool taken = rc == HPE_OK || (rc == HPE_PAUSED && p->complete);
    *used = rc == HPE_OK ? n : (size_t)(llhttp_get_error_pos(&p->ll) - data);
    /* Also where llhttp stopped: whoever objects to the earlier byte has the word. */
    if (p->fault.code == ERR_NONE)
        (void)check_framing(p, data + *used);
    if (p->fault.code == ERR_NONE && !taken)
        (void)err_set(&p->fault, ERR_BAD_REQUEST, "the body is malformed");
    if (p->fault.code == ERR_NONE)
        return true;
    *e = p->fault;
    return false;
}

static enum http_parse_step feed_body(struct http_parse *p, const char *data, size_t n,
                                      size_t *used, struct err *e)
{
    if (!p->has_body) {
        p->state = PARSING_OVER;
        return PARSE_DONE;
    }
    if (!p->body_begun && !begin_body(p, e))
        return failed(p);
    if (n == 0)
        return PARSE_MORE;
    if (!run_llhttp_on_body(p, data, n, used, e))
        return failed(p);
    if (!p->complete)
        return PARSE_MORE;
    p->state = PARSING_OVER;
    return PARSE_DONE;
}

enum http_parse_step http_parse_feed(struct http_parse *p, const char *data, size_t n, size_t *used,
                                     struct err *e)
{
    *used = 0;
    assert(p->state != PARSING_OVER);
    return p->state == PARSING_HEAD ? feed_head(p, data, n, used, e)
                                    : feed_body(p, data, n, used, e);
}

/* ---- life ---- */

void http_parse_init(struct http_parse *p)
{
    p->head = p->body = (struct buf){0};
    http_parse_reset(p);
}

static void keep_or_free(struct buf *b)
{
    if (b->cap > HTTP_SPARE_HEAD) {
        buf_wipe(b);
    } else if (b->p) {
        sodium_memzero(b->p, b->n);
        buf_reset(b);
    }
}

void http_parse_reset(struct http_parse *p)
{
    keep_or_free(&p->head);
    buf_wipe(&p->body);
    struct buf head = p->head;
    head.max = LIMIT_HEAD + LIMIT_TARGET + 1;
    /* The headers' table is left as it is: only header_count of its rows are ever read. */
    size_t skip = offsetof(struct http_parse, header_count);
    memset((char *)p + skip, 0, sizeof *p - skip);
    p->head = head;
    p->body_max = LIMIT_BODY;
}

void http_parse_done(struct http_parse *p)
{
    buf_wipe(&p->head);
    buf_wipe(&p->body);
}

const char *http_parse_header(const struct http_parse *p, const char *name)
{
    for (size_t i = 0; i < p->header_count; i++)
        if (!strcmp(p->headers[i].name, name))
            return p->headers[i].value;
    return NULL;
}
