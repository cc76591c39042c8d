#include "http/internal.h"

#include <sodium.h>
#include <string.h>

/* ---- from bytes to the application ---- */

static bool wants_input(const struct http_conn *c)
{
    if (c->state == CONN_IDLE)
        return http_conn_unsent(c) <= LIMIT_REPLY_QUEUE;
    return c->state == CONN_HEAD || c->state == CONN_BODY;
}

static bool begin_request(struct http_conn *c)
{
    c->msg = http_msg_new(c);
    if (!c->msg) {
        http_conn_close(c);
        return false;
    }
    http_conn_set_state(c, CONN_HEAD);
    return true;
}

static void request_complete(struct http_conn *c)
{
    struct http_msg *m = c->msg;
    http_conn_set_state(c, CONN_BUSY);
    m->handed = true;
    m->req.body = buf_str(&m->parse.body);
    m->req.body_len = m->parse.body.n;
    c->srv->cb->on_request(c->srv->app, &m->req);
}

/* The client waits for leave to send the body; it is given only when the body will be taken. */
static void send_continue(struct http_conn *c)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t b = uv_buf_init(text, sizeof text - 1);
    (void)http_output_pieces(c, &b, 1);
}

static void head_complete(struct http_conn *c, bool body_has_begun)
{
    struct http_msg *m = c->msg;
    http_conn_set_state(c, CONN_BODY);
    http_msg_head(m);
    c->srv->cb->on_head(c->srv->app, &m->req);
    if (c->msg != m || c->state != CONN_BODY)
        return; /* answered already */
    m->parse.body_max = m->req.body_max;
    if (!m->parse.has_body) {
        request_complete(c);
        return;
    }
    size_t used;
    struct err e = {0};
    if (http_parse_feed(&m->parse, "", 0, &used, &e) == PARSE_FAILED)
        http_msg_refuse(m, &e);
    else if (m->parse.expect_continue && !body_has_begun)
        send_continue(c);
}

static size_t step(struct http_conn *c, const char *p, size_t n)
{
    size_t used;
    struct err e = {0};
    switch (http_parse_feed(&c->msg->parse, p, n, &used, &e)) {
    case PARSE_MORE:
        if (c->state == CONN_HEAD)
            http_conn_mark_half_open(c);
        break;
    case PARSE_HEAD:
        head_complete(c, used < n);
        break;
    case PARSE_DONE:
        request_complete(c);
        break;
    case PARSE_FAILED:
        http_msg_refuse(c->msg, &e);
        break;
    }
    return used;
}

/* Parses until the bytes are used up, a request is in hand, or this turn's share is. */
static size_t feed(struct http_conn *c, const char *p, size_t n)
{
    size_t at = 0;
    unsigned begun = 0;
    c->feeding = true;
    while (at < n && wants_input(c)) {
        if (c->state == CONN_IDLE && (begun++ == HTTP_REQUESTS_PER_TURN || !begin_request(c)))
            break;
        at += step(c, p + at, n - at);
    }
    c->feeding = false;
    return at;
}

/* ---- after the bytes ---- */

static bool takes_no_input(const struct http_conn *c)
{
    return c->state == CONN_CLOSED || c->state == CONN_LINGER;
}

/* Keeps what was not parsed for later; stops reading when that much is enough. */
static void keep(struct http_conn *c, const char *p, size_t n)
{
    if (n == 0 || takes_no_input(c))
        return;
    c->in.max = LIMIT_PIPELINE;
    if (!buf_append(&c->in, p, n)) {
        http_conn_close(c);
        return;
    }
    if (c->in.n >= LIMIT_PIPELINE)
        http_input_stop(c);
    if (wants_input(c))
        http_input_defer(c);
}

/* The client will send no more, and nothing whole is left of what it sent. */
static void end_of_input(struct http_conn *c)
{
    if (c->state == CONN_IDLE && http_conn_unsent(c) > 0)
        return; /* what it asked for is still leaving; http_conn_flushed comes back here */
    if (c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY)
        http_conn_close(c);
}

void http_input_resume(struct http_conn *c)
{
    if (takes_no_input(c))
        return;
    if (c->in.n > 0) {
        size_t used = feed(c, c->in.p, c->in.n);
        if (takes_no_input(c) || used == c->in.n) {
            buf_wipe(&c->in);
        } else if (used > 0) {
            buf_consume(&c->in, used);
        }
    }
    if (c->in.n > 0 && wants_input(c))
        http_input_defer(c);
    else if (c->in.n == 0 && c->eof)
        end_of_input(c);
    http_input_start(c);
}

void http_input_defer(struct http_conn *c)
{
    if (!http_link_empty(&c->ready))
        return;
    http_link_add_tail(&c->srv->ready, &c->ready);
    http_server_wake(c->srv);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    struct http_conn *c = h->data;
    *b = uv_buf_init(c->srv->read_buf, (unsigned)(sizeof c->srv->read_buf - c->in.n));
}

static void on_eof(struct http_conn *c)
{
    c->eof = true;
    http_input_stop(c);
    switch (c->state) {
    case CONN_STREAM:
        http_conn_close(c);
        break;
    case CONN_BUSY:
        /* A client may end its side and still wait for the answer. Whoever asked to be told takes
         * it as gone; other answers are sent if they can be. */
        if (c->msg->gone)
            http_conn_close(c);
        break;
    case CONN_LINGER:
        if (http_conn_unsent(c) == 0)
            http_conn_close(c);
        break;
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
        if (c->in.n == 0)
            end_of_input(c);
        break;
    case CONN_CLOSED:
        break;
    }
}

static void on_bytes(struct http_conn *c, const char *p, size_t n)
{
    if (c->state == CONN_LINGER) {
        c->dropped += n;
        if (c->dropped > LIMIT_LINGER)
            http_conn_close(c);
        return;
    }
    size_t used = c->in.n > 0 ? 0 : feed(c, p, n);
    keep(c, p + used, n - used);
}

static void on_read(uv_stream_t *st, ssize_t nread, const uv_buf_t *b)
{
    struct http_conn *c = st->data;
    if (nread > 0) {
        on_bytes(c, b->base, (size_t)nread);
        sodium_memzero(b->base, (size_t)nread); /* heads and bodies carry secrets */
    } else if (nread == UV_EOF) {
        on_eof(c);
    } else if (nread < 0) {
        http_conn_close(c);
    }
}

void http_input_start(struct http_conn *c)
{
    if (c->reading || c->eof || c->state == CONN_CLOSED || c->in.n >= LIMIT_PIPELINE)
        return;
    if (uv_read_start(&c->h.stream, on_alloc, on_read) != 0) {
        http_conn_close(c);
        return;
    }
    c->reading = true;
}

void http_input_stop(struct http_conn *c)
{
    if (!c->reading)
        return;
    (void)uv_read_stop(&c->h.stream);
    c->reading = false;
}
