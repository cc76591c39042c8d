#include "http/internal.h"

#include "base/mem.h"

#include <assert.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { KEEPALIVE_S = 60 }; /* when the kernel begins to ask a silent peer whether it is alive */

/* Which state may follow which (bits by enum http_conn_state). */
static const unsigned legal[] = {
    [CONN_IDLE] = 1U << CONN_HEAD | 1U << CONN_LINGER | 1U << CONN_CLOSED,
    [CONN_HEAD] = 1U << CONN_BODY | 1U << CONN_LINGER | 1U << CONN_CLOSED,
    [CONN_BODY] = 1U << CONN_BUSY | 1U << CONN_STREAM | 1U << CONN_IDLE | 1U << CONN_LINGER |
                  1U << CONN_CLOSED,
    [CONN_BUSY] = 1U << CONN_STREAM | 1U << CONN_IDLE | 1U << CONN_LINGER | 1U << CONN_CLOSED,
    [CONN_STREAM] = 1U << CONN_IDLE | 1U << CONN_LINGER | 1U << CONN_CLOSED,
    [CONN_LINGER] = 1U << CONN_CLOSED,
    [CONN_CLOSED] = 0,
};

static unsigned state_ms(const struct http_conn *c, enum http_conn_state s)
{
    switch (s) {
    case CONN_IDLE:
        return c->half_open ? c->srv->set.head_ms : c->srv->set.idle_ms;
    case CONN_HEAD:
        return c->srv->set.head_ms;
    case CONN_BODY:
        return c->srv->set.body_ms;
    case CONN_LINGER:
        return HTTP_LINGER_MS;
    case CONN_BUSY:
    case CONN_STREAM:
    case CONN_CLOSED:
        break;
    }
    return 0;
}

static void leave_half_open(struct http_conn *c)
{
    if (!c->half_open)
        return;
    c->half_open = false;
    c->addr->half_open--;
    http_link_del(&c->age);
}

void http_conn_mark_half_open(struct http_conn *c)
{
    if (c->half_open)
        return;
    c->half_open = true;
    http_link_del(&c->age);
    http_link_add_tail(&c->addr->half, &c->age);
    if (++c->addr->half_open <= LIMIT_HALF_OPEN_PER_ADDR)
        return;
    http_conn_close(http_link_entry(c->addr->half.next, struct http_conn, age));
}

void http_conn_set_state(struct http_conn *c, enum http_conn_state to)
{
    assert(legal[c->state] & 1U << to);
    if (c->state == CONN_IDLE && !c->half_open)
        http_link_del(&c->age);
    c->state = to;
    if (to != CONN_HEAD)
        leave_half_open(c);
    if (to == CONN_IDLE)
        http_link_add_tail(&c->srv->idle, &c->age);
    unsigned ms = state_ms(c, to);
    c->deadline = ms ? uv_now(c->srv->loop) + ms : 0;
}

size_t http_conn_unsent(const struct http_conn *c)
{
    return uv_stream_get_write_queue_size(&c->h.stream);
}

/* ---- birth ---- */

static bool open_handle(struct http_conn *c, bool unix_socket)
{
    int rc = unix_socket ? uv_pipe_init(c->srv->loop, &c->h.pipe, 0)
                         : uv_tcp_init(c->srv->loop, &c->h.tcp);
    if (rc == 0)
        c->srv->handles++;
    return rc == 0;
}

/* Makes room for one more, or says that there is none: of the address's own half-open connections
 * the oldest goes, of all connections the one that has been idle longest. */
static bool make_room(struct http_conn *c)
{
    struct http_server *s = c->srv;
    if (c->addr->conns > s->max_per_addr)
        return false;
    if (s->conns <= s->set.max_conns)
        return true;
    if (http_link_empty(&s->idle))
        return false;
    http_conn_close(http_link_entry(s->idle.next, struct http_conn, age));
    return true;
}

/* Says that the server is full, if the socket takes the words at once. */
static void turn_away(struct http_conn *c)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n"
                         "Content-Length: 0\r\nConnection: close\r\n\r\n";
    uv_buf_t b = uv_buf_init(text, sizeof text - 1);
    (void)uv_try_write(&c->h.stream, &b, 1);
    http_conn_close(c);
}

static bool know_peer(struct http_conn *c, bool unix_socket)
{
    struct sockaddr_storage ss = {0};
    int n = sizeof ss;
    struct sockaddr *sa = (struct sockaddr *)&ss;
    if (unix_socket)
        sa = NULL;
    else if (uv_tcp_getpeername(&c->h.tcp, sa, &n) != 0)
        return false; /* it has left already */
    http_addr_text(sa, c->peer, sizeof c->peer);
    c->addr = http_addr_get(&c->srv->addrs, sa);
    return c->addr != NULL;
}

bool http_conn_accept(struct http_listener *l)
{
    struct http_server *s = l->srv;
    struct http_conn *c = mem_zalloc(sizeof *c);
    if (!c)
        return false;
    c->srv = s;
    http_link_init(&c->age);
    http_link_init(&c->ready);
    if (!open_handle(c, l->unix_socket)) {
        mem_free(c);
        return false;
    }
    c->h.handle.data = c;
    http_link_add_tail(&s->all, &c->all);
    s->conns++;
    if (uv_accept(&l->h.stream, &c->h.stream) != 0) {
        http_server_listen_on(l);
        http_conn_close(c);
        return true;
    }
    if (!know_peer(c, l->unix_socket)) {
        http_conn_close(c);
        return true;
    }
    if (!make_room(c)) {
        turn_away(c);
        return true;
    }
    if (!l->unix_socket) {
        (void)uv_tcp_nodelay(&c->h.tcp, 1);
        (void)uv_tcp_keepalive(&c->h.tcp, 1, KEEPALIVE_S);
    }
    http_conn_mark_half_open(c);
    c->deadline = uv_now(s->loop) + state_ms(c, CONN_IDLE);
    http_input_start(c);
    return true;
}

/* ---- death ---- */

static void on_closed(uv_handle_t *h)
{
    struct http_conn *c = h->data;
    struct http_server *s = c->srv;
    if (c->msg)
        http_msg_gone(c->msg);
    if (c->st.cb.on_close)
        c->st.cb.on_close(c->st.arg);
    http_link_del(&c->all);
    if (c->addr)
        http_addr_put(&s->addrs, c->addr);
    buf_wipe(&c->in);
    s->conns--;
    mem_free(c);
    http_server_handle_closed(s);
}

static void leave(struct http_conn *c)
{
    http_conn_set_state(c, CONN_CLOSED);
    http_link_del(&c->ready);
    c->reading = false;
}

void http_conn_close(struct http_conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    leave(c);
    uv_close(&c->h.handle, on_closed);
}

void http_conn_reset(struct http_conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    leave(c);
    if (c->h.handle.type != UV_TCP || uv_tcp_close_reset(&c->h.tcp, on_closed) != 0)
        uv_close(&c->h.handle, on_closed);
}

/* ---- between answers ---- */

/* Our side ends here. The client's last bytes are read and dropped for a while: closing a socket
 * with unread input would reset it, and the client might lose the answer. */
static void finish_output(struct http_conn *c)
{
    uv_os_fd_t fd;
    if (c->eof || c->shut || uv_fileno(&c->h.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        http_conn_close(c);
        return;
    }
    c->shut = true;
    c->deadline = uv_now(c->srv->loop) + HTTP_LINGER_MS;
}

void http_conn_answered(struct http_conn *c, bool keep)
{
    if (c->state == CONN_CLOSED)
        return;
    bool more = c->in.n > 0;
    if (keep && !(c->eof && !more && !c->feeding)) {
        http_conn_set_state(c, CONN_IDLE);
        if (!c->feeding && more)
            http_input_defer(c);
        else if (!c->feeding)
            http_input_start(c);
        return;
    }
    http_conn_set_state(c, CONN_LINGER);
    buf_wipe(&c->in);
    if (http_conn_unsent(c) == 0)
        finish_output(c);
    if (c->state != CONN_CLOSED)
        http_input_start(c);
}

static void stream_flushed(struct http_conn *c)
{
    if (!c->st.waiting)
        return;
    c->st.waiting = false;
    if (c->st.cb.on_drain)
        c->st.cb.on_drain(c->st.arg);
}

void http_conn_flushed(struct http_conn *c)
{
    if (c->state == CONN_LINGER)
        finish_output(c);
    else if (c->state == CONN_STREAM)
        stream_flushed(c);
    else if (c->state == CONN_IDLE && (c->in.n > 0 || c->eof))
        http_input_defer(c);
}

/* ---- time ---- */

/* A slow client empties the socket's own queue long before there is room in it again for ours. */
static int kernel_queue(const struct http_conn *c)
{
    uv_os_fd_t fd;
    int n = 0;
    if (uv_fileno(&c->h.handle, &fd) != 0 || ioctl(fd, SIOCOUTQ, &n) != 0)
        return 0;
    return n;
}

static bool stalled(struct http_conn *c, uint64_t now)
{
    size_t unsent = http_conn_unsent(c);
    int queued = unsent ? kernel_queue(c) : 0;
    if (unsent == 0 || unsent < c->unsent || c->unsent == 0 || queued < c->queued)
        c->moved_at = now;
    c->unsent = unsent;
    c->queued = queued;
    return unsent > 0 && now - c->moved_at >= c->srv->set.write_ms;
}

/* While we do not read, libuv does not tell that the client has left; the kernel does. Who only
 * ended its own side may still want the answer, unless somebody asked to be told. */
static bool has_left(const struct http_conn *c)
{
    uv_os_fd_t fd;
    if (c->reading || uv_fileno(&c->h.handle, &fd) != 0)
        return false;
    bool watched = c->state == CONN_STREAM || (c->msg && c->msg->gone);
    struct pollfd p = {.fd = fd, .events = watched ? POLLRDHUP : 0};
    return poll(&p, 1, 0) > 0 && p.revents != 0;
}

static void time_out(struct http_conn *c, const char *what)
{
    struct err e = {0};
    (void)err_set(&e, ERR_TIMEOUT, "the %s did not come in time", what);
    http_msg_refuse(c->msg, &e);
}

void http_conn_sweep(struct http_conn *c, uint64_t now)
{
    if (c->state == CONN_CLOSED)
        return;
    bool waits = c->state == CONN_BUSY || c->state == CONN_STREAM;
    if (stalled(c, now) || (waits && has_left(c))) {
        http_conn_close(c);
        return;
    }
    /* While an answer is still leaving, its own clock is the one that counts. */
    bool leaving = c->unsent > 0 && (c->state == CONN_IDLE || c->state == CONN_LINGER);
    if (!c->deadline || now < c->deadline || leaving)
        return;
    if (c->state == CONN_HEAD)
        time_out(c, "request head");
    else if (c->state == CONN_BODY)
        time_out(c, "request body");
    else
        http_conn_close(c);
}
