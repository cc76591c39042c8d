#include "http/internal.h"

#include "base/mem.h"

#include <sodium.h>
#include <string.h>

/* What the socket did not take at once. Answers may hold secrets: the copy is wiped. */
struct http_pending {
    uv_write_t req;
    char *body; /* owned */
    size_t body_n;
    size_t n;
    char bytes[];
};

static void pending_free(struct http_pending *w)
{
    if (w->body) {
        sodium_memzero(w->body, w->body_n);
        mem_free(w->body);
    }
    sodium_memzero(w->bytes, w->n);
    mem_free(w);
}

static void on_written(uv_write_t *req, int status)
{
    struct http_pending *w = req->data;
    struct http_conn *c = req->handle->data;
    pending_free(w);
    if (status < 0)
        http_conn_close(c);
    else if (c->state != CONN_CLOSED && http_conn_unsent(c) == 0)
        http_conn_flushed(c);
}

/* Queues the `n` bytes of w and the body from `skip` on. */
static void enqueue(struct http_conn *c, struct http_pending *w, size_t skip)
{
    uv_buf_t b[2] = {uv_buf_init(w->bytes, (unsigned)w->n),
                     uv_buf_init(w->body ? w->body + skip : NULL, (unsigned)(w->body_n - skip))};
    unsigned first = w->n == 0, count = 2 - first - (w->body_n == skip);
    w->req.data = w;
    if (http_conn_unsent(c) == 0) {
        c->moved_at = uv_now(c->srv->loop);
        c->unsent = 0;
    }
    if (uv_write(&w->req, &c->h.stream, b + first, count, on_written) != 0) {
        pending_free(w);
        http_conn_close(c);
    }
}

/* Bytes that the socket took; −1 closes the connection. */
static ssize_t try_write(struct http_conn *c, const uv_buf_t *pieces, unsigned count)
{
    int sent = uv_try_write(&c->h.stream, pieces, count);
    if (sent >= 0)
        return sent;
    if (sent == UV_EAGAIN)
        return 0;
    http_conn_close(c);
    return -1;
}

bool http_output_pieces(struct http_conn *c, const uv_buf_t *pieces, unsigned count)
{
    ssize_t sent = try_write(c, pieces, count);
    if (sent < 0)
        return false;
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += pieces[i].len;
    size_t skip = (size_t)sent, left = total - skip;
    if (left == 0)
        return true;
    struct http_pending *w = mem_alloc(sizeof *w + left);
    if (!w) {
        http_conn_close(c);
        return false;
    }
    *w = (struct http_pending){.n = left};
    char *to = w->bytes;
    for (unsigned i = 0; i < count; i++) {
        size_t cut = skip < pieces[i].len ? skip : pieces[i].len;
        memcpy(to, pieces[i].base + cut, pieces[i].len - cut);
        to += pieces[i].len - cut;
        skip -= cut;
    }
    enqueue(c, w, 0);
    return false;
}

void http_output_send(struct http_conn *c, const char *head, size_t n, struct buf *body)
{
    static char empty[1];
    size_t body_n = body ? body->n : 0;
    /* libuv does not write through its buffers; their pointers are only not const. */
    uv_buf_t b[2] = {{.base = empty, .len = n}, {.base = body_n ? body->p : empty, .len = body_n}};
    memcpy(&b[0].base, &head, sizeof head);
    ssize_t sent = try_write(c, b, body_n ? 2 : 1);
    if (sent < 0 || (size_t)sent == n + body_n) {
        if (body)
            buf_wipe(body);
        return;
    }
    size_t head_sent = (size_t)sent < n ? (size_t)sent : n;
    struct http_pending *w = mem_alloc(sizeof *w + n - head_sent);
    if (!w) {
        if (body)
            buf_wipe(body);
        http_conn_close(c);
        return;
    }
    *w = (struct http_pending){.n = n - head_sent};
    memcpy(w->bytes, head + head_sent, w->n);
    if (body_n)
        w->body = buf_take(body, &w->body_n);
    enqueue(c, w, (size_t)sent - head_sent);
}
