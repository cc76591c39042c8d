#include "http/internal.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- settings ---- */

/* The cap on connections that the system's descriptors allow, and the soft limit raised to it. */
static unsigned descriptors_for(unsigned wanted)
{
    struct rlimit rl;
    unsigned cap = wanted && wanted < LIMIT_CONNS ? wanted : LIMIT_CONNS;
    if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
        return cap;
    rlim_t keep = rl.rlim_max > 2 * HTTP_FD_RESERVE ? HTTP_FD_RESERVE : rl.rlim_max / 2;
    if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max - keep < cap)
        cap = (unsigned)(rl.rlim_max - keep);
    rlim_t need = (rlim_t)cap + HTTP_FD_RESERVE;
    if (rl.rlim_max != RLIM_INFINITY && need > rl.rlim_max)
        need = rl.rlim_max;
    if (rl.rlim_cur < need) {
        rl.rlim_cur = need;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
    return cap;
}

static void take_settings(struct http_server *s, const struct http_settings *set)
{
    s->set = set ? *set : (struct http_settings){0};
    s->set.max_conns = descriptors_for(s->set.max_conns);
    s->set.head_ms = s->set.head_ms ? s->set.head_ms : HTTP_HEAD_MS;
    s->set.body_ms = s->set.body_ms ? s->set.body_ms : HTTP_BODY_MS;
    s->set.idle_ms = s->set.idle_ms ? s->set.idle_ms : HTTP_IDLE_MS;
    s->set.write_ms = s->set.write_ms ? s->set.write_ms : HTTP_WRITE_MS;
    s->max_per_addr = s->set.max_conns > 1 ? s->set.max_conns / 2 : 1;
}

/* ---- turns of the loop ---- */

static void on_sweep(uv_timer_t *t)
{
    struct http_server *s = t->data;
    uint64_t now = uv_now(s->loop);
    /* Connections leave this list only in their close callbacks, so it holds still here. */
    for (struct http_link *l = s->all.next; l != &s->all; l = l->next)
        http_conn_sweep(http_link_entry(l, struct http_conn, all), now);
    for (struct http_listener *l = s->listeners; l; l = l->next)
        if (l->starved) {
            l->starved = false;
            http_server_wake(s);
        }
    if (s->conns == 0 && !s->closing)
        (void)uv_timer_stop(&s->sweep);
}

static void take_connections(struct http_listener *l)
{
    struct http_server *s = l->srv;
    l->waiting = true;
    if (s->closing || s->draining)
        return;
    http_server_wake(s);
    if (s->accepted >= HTTP_ACCEPT_PER_TURN)
        return;
    s->accepted++;
    if (!uv_is_active((uv_handle_t *)&s->sweep))
        (void)uv_timer_start(&s->sweep, on_sweep, HTTP_SWEEP_MS, HTTP_SWEEP_MS);
    if (http_conn_accept(l))
        l->waiting = false;
    else
        l->starved = true;
}

static void on_turn(uv_idle_t *h)
{
    struct http_server *s = h->data;
    s->accepted = 0;
    (void)uv_idle_stop(h);
    for (struct http_listener *l = s->listeners; l; l = l->next)
        if (l->waiting && !l->starved)
            take_connections(l);
    struct http_link mine = s->ready;
    if (http_link_empty(&s->ready))
        return;
    /* Only those that wait now: who is deferred again comes in the next turn. */
    mine.prev->next = mine.next->prev = &mine;
    http_link_init(&s->ready);
    while (!http_link_empty(&mine)) {
        struct http_conn *c = http_link_entry(mine.next, struct http_conn, ready);
        http_link_del(&c->ready);
        http_input_resume(c);
    }
}

void http_server_wake(struct http_server *s)
{
    if (!s->closing)
        (void)uv_idle_start(&s->turn, on_turn);
}

/* ---- making and listening ---- */

struct http_server *http_server_new(uv_loop_t *loop, const struct http_callbacks *cb, void *app,
                                    const struct http_settings *set, struct err *e)
{
    struct http_server *s = sodium_init() < 0 ? NULL : mem_zalloc(sizeof *s);
    if (!s) {
        (void)err_set(e, ERR_NO_MEMORY, "the http server cannot be made");
        return NULL;
    }
    s->loop = loop;
    s->cb = cb;
    s->app = app;
    take_settings(s, set);
    http_link_init(&s->all);
    http_link_init(&s->idle);
    http_link_init(&s->ready);
    http_addrs_init(&s->addrs);
    buf_init(&s->out, LIMIT_REPLY_HEADERS + LIMIT_HEAD);
    s->date_s = -1;
    uint64_t random;
    randombytes_buf(&random, sizeof random);
    (void)snprintf(s->id_prefix, sizeof s->id_prefix, "%016llx", (unsigned long long)random);
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left is an error value here, not a signal */
    (void)uv_timer_init(loop, &s->sweep);
    (void)uv_idle_init(loop, &s->turn);
    s->sweep.data = s->turn.data = s;
    s->handles = 2;
    return s;
}

static void on_connection(uv_stream_t *st, int status)
{
    struct http_listener *l = st->data;
    if (status == 0)
        take_connections(l);
}

void http_server_listen_on(struct http_listener *l)
{
    (void)uv_listen(&l->h.stream, HTTP_BACKLOG, on_connection);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct http_listener *l = h->data;
    struct http_server *s = l->srv;
    mem_free(l);
    http_server_handle_closed(s);
}

static struct http_listener *listener_new(struct http_server *s, bool unix_socket)
{
    struct http_listener *l = mem_zalloc(sizeof *l);
    if (!l)
        return NULL;
    l->srv = s;
    l->unix_socket = unix_socket;
    int rc = unix_socket ? uv_pipe_init(s->loop, &l->h.pipe, 0)
                         : uv_tcp_init_ex(s->loop, &l->h.tcp, AF_UNSPEC);
    if (rc != 0) {
        mem_free(l);
        return NULL;
    }
    l->h.handle.data = l;
    s->handles++;
    return l;
}

static bool listen_and_keep(struct http_server *s, struct http_listener *l, int rc,
                            const char *where, struct err *e)
{
    if (rc == 0)
        rc = uv_listen(&l->h.stream, HTTP_BACKLOG, on_connection);
    if (rc != 0) {
        uv_close(&l->h.handle, on_listener_closed);
        return err_set(e, ERR_UNAVAILABLE, "cannot listen on %s: %s", where, uv_strerror(rc));
    }
    struct http_listener **end = &s->listeners;
    while (*end)
        end = &(*end)->next;
    *end = l;
    return true;
}

bool http_listen_tcp(struct http_server *s, const char *host, int port, struct err *e)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    if (uv_ip4_addr(host, port, &at.v4) != 0 && uv_ip6_addr(host, port, &at.v6) != 0)
        return err_set(e, ERR_BAD_REQUEST, "%.64s is not a numeric address", host);
    struct http_listener *l = listener_new(s, false);
    if (!l)
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    char where[96];
    (void)snprintf(where, sizeof where, "%.64s port %d", host, port);
    return listen_and_keep(s, l, uv_tcp_bind(&l->h.tcp, &at.sa, 0), where, e);
}

/* Removes a socket that nobody listens on any more; anything else at that path stays. */
static void remove_stale_socket(const char *path)
{
    struct stat st;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&un, sizeof un) != 0 && errno == ECONNREFUSED)
        (void)unlink(path);
    (void)close(fd);
}

bool http_listen_unix(struct http_server *s, const char *path, struct err *e)
{
    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return err_set(e, ERR_BAD_REQUEST, "the socket's path is too long");
    remove_stale_socket(path);
    struct http_listener *l = listener_new(s, true);
    if (!l)
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    int rc = uv_pipe_bind(&l->h.pipe, path);
    if (rc == 0 && chmod(path, 0660) != 0) /* nobody can connect before it listens */
        rc = uv_translate_sys_error(errno);
    return listen_and_keep(s, l, rc, path, e);
}

int http_server_port(const struct http_server *s)
{
    for (const struct http_listener *l = s->listeners; l; l = l->next) {
        struct sockaddr_storage ss;
        int n = sizeof ss;
        if (l->unix_socket || uv_tcp_getsockname(&l->h.tcp, (struct sockaddr *)&ss, &n) != 0)
            continue;
        in_port_t port = ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                                  : ((struct sockaddr_in *)&ss)->sin_port;
        return ntohs(port);
    }
    return 0;
}

unsigned http_server_conns(const struct http_server *s)
{
    return s->conns;
}

/* ---- going down ---- */

static void close_listeners(struct http_server *s)
{
    while (s->listeners) {
        struct http_listener *l = s->listeners;
        s->listeners = l->next;
        uv_close(&l->h.handle, on_listener_closed);
    }
}

void http_server_drain(struct http_server *s)
{
    s->draining = true;
    close_listeners(s);
    for (struct http_link *l = s->all.next; l != &s->all; l = l->next) {
        struct http_conn *c = http_link_entry(l, struct http_conn, all);
        if (c->state == CONN_IDLE && c->in.n == 0 && !c->feeding)
            http_conn_answered(c, false);
    }
}

static void server_free(struct http_server *s)
{
    while (s->spare) {
        struct http_msg *m = s->spare;
        s->spare = m->next;
        http_parse_done(&m->parse);
        buf_done(&m->extra);
        mem_free(m);
    }
    buf_done(&s->out);
    mem_free(s);
}

void http_server_handle_closed(struct http_server *s)
{
    assert(s->handles > 0);
    s->handles--;
    if (!s->closing || s->handles > 0)
        return;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;
    s->closed = NULL;
    bool last = s->owed == 0;
    if (last)
        server_free(s);
    if (closed)
        closed(arg);
}

void http_server_msg_done(struct http_server *s)
{
    assert(s->owed > 0);
    s->owed--;
    if (s->closing && s->handles == 0 && s->owed == 0)
        server_free(s);
}

static void on_own_handle_closed(uv_handle_t *h)
{
    http_server_handle_closed(h->data);
}

void http_server_close(struct http_server *s, void (*closed)(void *arg), void *arg)
{
    assert(!s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    close_listeners(s);
    for (struct http_link *l = s->all.next; l != &s->all; l = l->next)
        http_conn_close(http_link_entry(l, struct http_conn, all));
    uv_close((uv_handle_t *)&s->sweep, on_own_handle_closed);
    uv_close((uv_handle_t *)&s->turn, on_own_handle_closed);
}
