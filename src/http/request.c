#include "http/internal.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum { ID_MAX = 32, ID_DIGITS = 16 };

/* ---- memory ---- */

struct http_msg *http_msg_new(struct http_conn *c)
{
    struct http_server *s = c->srv;
    struct http_msg *m = s->spare;
    if (m) {
        s->spare = m->next;
        s->spares--;
    } else {
        if (!(m = mem_alloc(sizeof *m)))
            return NULL;
        http_parse_init(&m->parse);
        buf_init(&m->extra, LIMIT_REPLY_HEADERS);
    }
    s->owed++;
    m->conn = c;
    m->srv = s;
    m->next = NULL;
    m->handed = false;
    m->gone = NULL;
    m->req.id[0] = '\0';
    m->req.started_ns = uv_hrtime();
    m->req.user = NULL;
    arena_init(&m->req.arena, LIMIT_ARENA);
    return m;
}

void http_msg_free(struct http_msg *m)
{
    struct http_server *s = m->srv;
    arena_done(&m->req.arena);
    http_parse_reset(&m->parse);
    if (m->extra.cap > HTTP_SPARE_HEAD)
        buf_done(&m->extra);
    else
        buf_reset(&m->extra);
    if (s->spares < HTTP_SPARE_MSGS && !s->closing) {
        m->next = s->spare;
        s->spare = m;
        s->spares++;
    } else {
        http_parse_done(&m->parse);
        buf_done(&m->extra);
        mem_free(m);
    }
    http_server_msg_done(s);
}

/* ---- the head ---- */

static void make_id(struct http_server *s, char id[33])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t n = s->next_id++;
    memcpy(id, s->id_prefix, ID_DIGITS);
    for (int i = 0; i < ID_DIGITS; i++)
        id[ID_DIGITS + i] = hex[n >> (60 - 4 * i) & 15];
    id[2 * ID_DIGITS] = '\0';
}

static bool is_id(const char *s)
{
    size_t n = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-");
    return n > 0 && n <= ID_MAX && s[n] == '\0';
}

void http_msg_head(struct http_msg *m)
{
    const struct http_parse *p = &m->parse;
    struct http_req *r = &m->req;
    r->method = p->method;
    r->method_name = p->method_name;
    r->target = p->target;
    r->path = p->path;
    r->query = p->query;
    r->headers = p->headers;
    r->header_count = p->header_count;
    r->body = "";
    r->body_len = 0;
    r->body_max = LIMIT_BODY;
    memcpy(r->peer, m->conn->peer, sizeof m->conn->peer);
    const char *id = http_parse_header(p, "x-request-id");
    if (id && is_id(id))
        memcpy(r->id, id, strlen(id) + 1);
    else
        make_id(m->srv, r->id);
}

const char *http_header(const struct http_req *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (!strcmp(req->headers[i].name, name))
            return req->headers[i].value;
    return NULL;
}

/* ---- answering ---- */

static struct http_msg *msg_of(struct http_req *req)
{
    return (struct http_msg *)(void *)req;
}

void http_add_header(struct http_req *req, const char *name, const char *value)
{
    struct buf *b = &msg_of(req)->extra;
    bool sound = !strpbrk(name, "\r\n") && !strpbrk(value, "\r\n");
    assert(sound);
    if (!sound)
        return;
    (void)buf_puts(b, name);
    (void)buf_append(b, ": ", 2);
    (void)buf_puts(b, value);
    (void)buf_append(b, "\r\n", 2);
}

/* Tells the application's log; the request ends. */
static void done(struct http_msg *m, const struct http_req *req, int status, uint64_t bytes)
{
    struct http_server *s = m->srv;
    if (s->cb->on_done && !s->closing)
        s->cb->on_done(s->app, req, status, m->req.id, bytes);
    http_msg_free(m);
}

/* Nothing may follow an answer when the client or we said so, or when a part of the body was never
 * read: its bytes would be taken for the next request. */
static bool ends_connection(const struct http_msg *m)
{
    const struct http_conn *c = m->conn;
    return c->state == CONN_HEAD || (c->state == CONN_BODY && m->parse.has_body) ||
           !m->parse.keep_alive || m->srv->draining;
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static uint64_t send_answer(struct http_msg *m, struct http_reply_head *r, struct buf *body)
{
    struct http_conn *c = m->conn;
    size_t n = body ? body->n : 0;
    r->length = has_no_body(r->status) ? -1 : (long long)n;
    if (!http_reply_head(m, r)) {
        http_conn_close(c);
        return 0;
    }
    if (m->req.method == HTTP_M_HEAD || has_no_body(r->status))
        n = 0;
    http_output_send(c, m->srv->out.p, m->srv->out.n, n ? body : NULL);
    return m->srv->out.n + n;
}

/* Answers and moves the connection on. `req` is what the log may see. */
static void answer(struct http_msg *m, const struct http_req *req, struct http_reply_head *r,
                   struct buf *body)
{
    struct http_conn *c = m->conn;
    uint64_t bytes = 0;
    bool there = c && c->state != CONN_CLOSED;
    if (there) {
        r->close = ends_connection(m);
        bytes = send_answer(m, r, body);
    }
    if (body)
        buf_wipe(body);
    if (c)
        c->msg = NULL;
    done(m, req, r->status, bytes);
    if (there)
        http_conn_answered(c, !r->close);
}

static void error_body(struct http_msg *m, const struct http_req *req, const struct err *e,
                       struct http_reply_head *r, struct buf *body)
{
    r->status = err_status(e->code);
    r->type = "application/json; charset=utf-8";
    buf_reset(&m->extra);
    http_add_header(&m->req, "Cache-Control", "no-store");
    http_add_header(&m->req, "X-Content-Type-Options", "nosniff");
    http_add_header(&m->req, "X-Frame-Options", "DENY");
    m->srv->cb->on_error(m->srv->app, req, e, m->req.id, body);
    if (body->failed)
        buf_reset(body);
}

void http_reply(struct http_req *req, int status, const char *type, struct buf *body)
{
    struct http_msg *m = msg_of(req);
    struct http_reply_head r = {.status = status, .type = type};
    struct buf sorry;
    buf_init(&sorry, LIMIT_HEAD);
    if ((body && body->failed) || m->extra.failed) {
        struct err e = {0};
        (void)err_set(&e, ERR_NO_MEMORY, "the answer could not be built");
        error_body(m, req, &e, &r, &sorry);
        if (body)
            buf_wipe(body);
        body = &sorry;
    }
    answer(m, req, &r, body);
    buf_done(&sorry);
}

void http_msg_refuse(struct http_msg *m, const struct err *e)
{
    bool head_read = m->conn->state != CONN_HEAD;
    const struct http_req *req = head_read ? &m->req : NULL;
    if (!head_read) {
        m->req.method = m->parse.method; /* of a HEAD request whose head was refused */
        make_id(m->srv, m->req.id);
    }
    struct http_reply_head r = {0};
    struct buf body;
    buf_init(&body, LIMIT_HEAD);
    error_body(m, req, e, &r, &body);
    answer(m, req, &r, &body);
    buf_done(&body);
}

/* ---- a client that goes ---- */

void http_on_gone(struct http_req *req, void (*gone)(void *arg), void *arg)
{
    struct http_msg *m = msg_of(req);
    m->gone = gone;
    m->gone_arg = arg;
    if (gone && m->conn && m->conn->eof)
        http_conn_close(m->conn); /* tells it in the close callback */
}

bool http_gone(const struct http_req *req)
{
    const struct http_msg *m = (const struct http_msg *)(const void *)req;
    return !m->conn || m->conn->state == CONN_CLOSED;
}

void http_msg_gone(struct http_msg *m)
{
    bool owed = m->handed;
    m->conn->msg = NULL;
    m->conn = NULL;
    if (!owed) {
        http_msg_free(m);
        return;
    }
    void (*gone)(void *arg) = m->gone;
    m->gone = NULL;
    if (gone)
        gone(m->gone_arg);
}
