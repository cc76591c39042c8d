#include "http/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct http_conn *conn_of(struct http_stream *st)
{
    return http_link_entry(st, struct http_conn, st);
}

/* The request is over: all of it but the connection goes. */
static void release(struct http_msg *m, int status, uint64_t bytes)
{
    struct http_server *s = m->srv;
    if (m->conn)
        m->conn->msg = NULL;
    if (s->cb->on_done && !s->closing)
        s->cb->on_done(s->app, &m->req, status, m->req.id, bytes);
    http_msg_free(m);
}

struct http_stream *http_stream_begin(struct http_req *req, int status, const char *type,
                                      const struct http_stream_cb *cb, void *arg)
{
    struct http_msg *m = (struct http_msg *)(void *)req;
    struct http_conn *c = m->conn;
    if (!c || c->state == CONN_CLOSED || c->eof) {
        release(m, status, 0);
        if (c)
            http_conn_close(c);
        return NULL;
    }
    bool chunked = m->parse.minor == 1, head_only = req->method == HTTP_M_HEAD;
    struct http_reply_head r = {.status = status, .type = type, .length = -1, .chunked = chunked};
    r.close = !chunked || !m->parse.keep_alive || m->srv->draining ||
              (c->state == CONN_BODY && m->parse.has_body);
    if (http_reply_head(m, &r))
        http_output_send(c, m->srv->out.p, m->srv->out.n, NULL);
    else
        http_conn_close(c);
    release(m, status, m->srv->out.n);
    if (c->state == CONN_CLOSED)
        return NULL;
    if (head_only) {
        http_conn_answered(c, !r.close);
        return NULL;
    }
    http_conn_set_state(c, CONN_STREAM);
    c->chunked = chunked;
    c->close_after = r.close;
    c->st = (struct http_stream){.cb = *cb, .arg = arg};
    return &c->st;
}

bool http_stream_write(struct http_stream *st, const void *p, size_t n)
{
    static char line_end[] = "\r\n";
    struct http_conn *c = conn_of(st);
    assert(n <= LIMIT_STREAM_CHUNK);
    if (c->state != CONN_STREAM)
        return false;
    if (n == 0)
        return http_conn_unsent(c) == 0;
    if (http_conn_unsent(c) + n > LIMIT_STREAM_QUEUE) {
        /* The caller did not wait for on_drain: better a cut stream than one with a hole. */
        http_conn_reset(c);
        return false;
    }
    char size[20];
    int digits = snprintf(size, sizeof size, "%zx\r\n", n);
    uv_buf_t b[3] = {uv_buf_init(size, (unsigned)digits), {.len = n}, uv_buf_init(line_end, 2)};
    memcpy(&b[1].base, &p, sizeof p); /* libuv does not write through it */
    bool all = c->chunked ? http_output_pieces(c, b, 3) : http_output_pieces(c, b + 1, 1);
    st->waiting = !all;
    return all;
}

void http_stream_end(struct http_stream *st)
{
    static char last[] = "0\r\n\r\n";
    struct http_conn *c = conn_of(st);
    *st = (struct http_stream){0};
    if (c->state != CONN_STREAM)
        return;
    if (c->chunked) {
        uv_buf_t b = uv_buf_init(last, sizeof last - 1);
        (void)http_output_pieces(c, &b, 1);
    }
    http_conn_answered(c, !c->close_after && !c->srv->draining);
}

void http_stream_abort(struct http_stream *st)
{
    struct http_conn *c = conn_of(st);
    *st = (struct http_stream){0};
    http_conn_reset(c);
}
