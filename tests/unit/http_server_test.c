/* The server on a real loop with real sockets. The test's own clients are plain non-blocking
 * sockets; `until` turns the loop until a condition holds or five seconds are over. */
#include "http/http.h"

#include "base/mem.h"
#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t DEADLINE_NS = 10ULL * 1000 * 1000 * 1000;

static struct {
    uv_loop_t loop;
    struct http_server *server;
    int port;
    bool closed;
    struct http_req *held; /* of /later */
    struct http_stream *stream;
    int heads, requests, gone, drained, stream_closed, done;
    int last_status;
    char last_peer[64];
} t;

/* ---- the application ---- */

static void reply_text(struct http_req *r, int status, const char *text)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    (void)buf_puts(&b, text);
    http_reply(r, status, "text/plain", &b);
}

static void on_head(void *app, struct http_req *r)
{
    t.heads++;
    (void)snprintf(t.last_peer, sizeof t.last_peer, "%s", r->peer);
    if (!strcmp(r->path, "/early"))
        reply_text(r, 401, "no");
    else if (!strcmp(r->path, "/small"))
        r->body_max = 10;
}

static void on_drain(void *arg)
{
    t.drained++;
}

static void on_close(void *arg)
{
    t.stream_closed++;
    t.stream = NULL;
}

static void on_gone(void *arg)
{
    t.gone++;
}

static void reply_big(struct http_req *r, size_t n)
{
    struct buf b;
    buf_init(&b, LIMIT_REPLY);
    assert_true(buf_reserve(&b, n));
    memset(b.p, 'b', n);
    b.n = n;
    b.p[n] = '\0';
    http_reply(r, 200, "text/plain", &b);
}

static void on_request(void *app, struct http_req *r)
{
    static const struct http_stream_cb cb = {on_drain, on_close};
    t.requests++;
    assert_string_equal(http_header(r, "host"), "x");
    assert_null(http_header(r, "no-such"));
    if (!strcmp(r->path, "/later") || !strcmp(r->path, "/watched")) {
        t.held = r;
        if (r->path[1] == 'w')
            http_on_gone(r, on_gone, NULL);
    } else if (!strcmp(r->path, "/stream")) {
        t.stream = http_stream_begin(r, 200, "text/event-stream", &cb, NULL);
    } else if (!strcmp(r->path, "/big")) {
        reply_big(r, 16 << 20);
    } else if (!strcmp(r->path, "/failed")) {
        struct buf b;
        buf_init(&b, 3);
        (void)buf_puts(&b, "too much");
        http_reply(r, 200, "text/plain", &b);
    } else if (!strcmp(r->path, "/none")) {
        http_reply(r, 204, NULL, NULL);
    } else {
        struct buf b;
        buf_init(&b, 1 << 20);
        (void)buf_printf(&b, "<%s %s?%s %s>", r->method_name, r->path, r->query, r->body);
        http_add_header(r, "X-Mine", "yes");
        http_reply(r, 200, "text/plain", &b);
    }
}

static void on_error(void *app, const struct http_req *r, const struct err *e, const char *id,
                     struct buf *body)
{
    (void)buf_printf(body, "{\"error\":\"%s\"}", err_word(e->code));
}

static void on_done(void *app, const struct http_req *r, int status, const char *id, uint64_t n)
{
    t.done++;
    t.last_status = status;
    assert_true(strlen(id) > 0);
}

/* ---- turning the loop ---- */

static void turn(void)
{
    (void)uv_run(&t.loop, UV_RUN_NOWAIT);
}

#define until(condition) \
    do { \
        uint64_t _end = uv_hrtime() + DEADLINE_NS; \
        while (!(condition)) { \
            turn(); \
            if (uv_hrtime() > _end) \
                fail_msg("never came true: %s", #condition); \
        } \
    } while (0)

static void turns(int n)
{
    while (n-- > 0)
        turn();
}

/* ---- clients ---- */

struct client {
    int fd;
    bool eof, reset;
    struct buf in;
};

static struct client client_from(const char *from, int rcvbuf)
{
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in me = {.sin_family = AF_INET}, at = {.sin_family = AF_INET};
    if (rcvbuf)
        (void)setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    (void)inet_pton(AF_INET, from, &me.sin_addr);
    (void)inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    at.sin_port = htons((uint16_t)t.port);
    assert_int_equal(bind(c.fd, (struct sockaddr *)&me, sizeof me), 0);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&at, sizeof at), 0);
    (void)fcntl(c.fd, F_SETFL, O_NONBLOCK);
    buf_init(&c.in, 64 << 20);
    return c;
}

static struct client client(void)
{
    return client_from("127.0.0.1", 0);
}

static void client_done(struct client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    buf_done(&c->in);
}

static void say_n(struct client *c, const char *p, size_t n)
{
    uint64_t end = uv_hrtime() + DEADLINE_NS;
    while (n > 0 && uv_hrtime() < end) {
        ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno != EAGAIN)
            return;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
        turn();
    }
    assert_int_equal(n, 0);
}

static void say(struct client *c, const char *text)
{
    say_n(c, text, strlen(text));
}

/* Takes what is there; returns the whole input so far. */
static const char *hear(struct client *c)
{
    char piece[65536];
    ssize_t n;
    while (!c->eof && (n = recv(c->fd, piece, sizeof piece, 0)) != -1) {
        if (n == 0)
            c->eof = true;
        (void)buf_append(&c->in, piece, (size_t)n);
    }
    if (!c->eof && errno == ECONNRESET)
        c->eof = c->reset = true;
    return buf_str(&c->in);
}

static bool heard(struct client *c, const char *what)
{
    return strstr(hear(c), what) != NULL;
}

static bool ended(struct client *c)
{
    (void)hear(c);
    return c->eof;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

/* ---- set-up ---- */

static void start_with(const struct http_settings *set)
{
    static const struct http_callbacks cb = {on_head, on_request, on_error, on_done};
    struct err e = {0};
    memset(&t, 0, sizeof t);
    assert_int_equal(uv_loop_init(&t.loop), 0);
    t.server = http_server_new(&t.loop, &cb, NULL, set, &e);
    assert_non_null(t.server);
    assert_true(http_listen_tcp(t.server, "127.0.0.1", 0, &e));
    t.port = http_server_port(t.server);
    assert_true(t.port > 0);
}

static int start(void **state)
{
    start_with(NULL);
    return 0;
}

static int start_impatient(void **state)
{
    start_with(
        &(struct http_settings){.head_ms = 300, .body_ms = 300, .idle_ms = 300, .write_ms = 700});
    return 0;
}

static int start_small(void **state)
{
    start_with(&(struct http_settings){.max_conns = 8});
    return 0;
}

static void on_server_closed(void *arg)
{
    t.closed = true;
}

/* Every test ends with this: closing leaves no handle, whatever the test left behind. */
static int stop(void **state)
{
    struct http_req *held = t.held;
    http_server_close(t.server, on_server_closed, NULL);
    until(t.closed);
    if (held)
        http_reply(held, 200, NULL, NULL); /* owed, dropped, but freed */
    turns(3);
    assert_int_equal(uv_loop_close(&t.loop), 0);
    return 0;
}

#define H "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

/* ---- requests and answers ---- */

static void a_connection_serves_one_request_after_another(void **state)
{
    struct client c = client();
    for (int i = 1; i <= 3; i++) {
        say(&c, GET("/a?q=1"));
        until(count(hear(&c), "<GET /a?q=1 >") == i);
    }
    assert_int_equal(t.requests, 3);
    assert_int_equal(t.done, 3);
    assert_int_equal(http_server_conns(t.server), 1);
    assert_int_equal(count(hear(&c), "Content-Length: 13\r\n"), 3);
    assert_int_equal(count(hear(&c), "X-Mine: yes\r\n"), 3);
    assert_int_equal(count(hear(&c), "X-Request-Id: "), 3);
    assert_int_equal(count(hear(&c), "\r\nDate: "), 3);
    assert_string_equal(t.last_peer, "127.0.0.1");
    client_done(&c);
    until(http_server_conns(t.server) == 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct client c = client();
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 500; i++)
        (void)buf_printf(&b, "POST /%d HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi", i);
    say_n(&c, b.p, b.n);
    until(count(hear(&c), "HTTP/1.1 200 OK") == 500);
    const char *at = hear(&c);
    for (int i = 0; i < 500; i++) {
        char want[40];
        (void)snprintf(want, sizeof want, "<POST /%d? hi>", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    buf_done(&b);
    client_done(&c);
}

static void a_pipelined_request_waits_for_the_answer_before_it(void **state)
{
    struct client c = client();
    say(&c, GET("/later") GET("/second"));
    until(t.held);
    turns(20);
    assert_int_equal(t.requests, 1);
    struct http_req *r = t.held;
    t.held = NULL;
    reply_text(r, 200, "first");
    until(heard(&c, "/second"));
    assert_true(strstr(hear(&c), "first") < strstr(hear(&c), "/second"));
    client_done(&c);
}

static void a_flood_behind_a_request_in_hand_is_not_read_without_bound(void **state)
{
    struct client c = client();
    say(&c, GET("/later"));
    until(t.held);
    static char flood[1 << 16];
    memset(flood, 'x', sizeof flood);
    size_t sent = 0;
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(c.fd, flood, sizeof flood, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    assert_true(sent < 16U << 20); /* the kernel's buffers and ours, no more */
    client_done(&c);
}

static void a_client_that_goes_is_noticed_although_nothing_more_is_read(void **state)
{
    struct client c = client();
    say(&c, GET("/watched"));
    until(t.held);
    static char flood[2 * LIMIT_PIPELINE];
    memset(flood, 'x', sizeof flood);
    say_n(&c, flood, sizeof flood);
    turns(20);
    assert_int_equal(t.gone, 0);
    client_done(&c);
    until(t.gone == 1);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    struct client c = client();
    const char *text = "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                       "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" GET("/next");
    for (size_t i = 0; text[i]; i++)
        say_n(&c, text + i, 1);
    until(heard(&c, "<GET /next? >"));
    assert_true(heard(&c, "<POST /x? abcde>"));
    client_done(&c);
}

static void head_gets_the_length_and_no_body(void **state)
{
    struct client c = client();
    say(&c, "HEAD /a HTTP/1.1\r\n" H "\r\n" GET("/b"));
    until(heard(&c, "<GET /b? >"));
    assert_int_equal(count(hear(&c), "Content-Length: 11\r\n"), 1);
    assert_false(heard(&c, "<HEAD"));
    client_done(&c);
}

static void options_reach_the_application(void **state)
{
    struct client c = client();
    say(&c, "OPTIONS * HTTP/1.1\r\n" H "\r\n");
    until(heard(&c, "<OPTIONS *? >"));
    client_done(&c);
}

static void no_content_has_neither_body_nor_length(void **state)
{
    struct client c = client();
    say(&c, GET("/none") GET("/b"));
    until(heard(&c, "<GET /b? >"));
    assert_true(heard(&c, "HTTP/1.1 204 No Content\r\n"));
    assert_int_equal(count(hear(&c), "Content-Length: "), 1);
    client_done(&c);
}

static void the_callers_request_id_is_kept_when_it_is_sound(void **state)
{
    struct client c = client();
    say(&c, "GET / HTTP/1.1\r\n" H "X-Request-Id: a.b-c_9\r\n\r\n");
    until(heard(&c, "X-Request-Id: a.b-c_9\r\n"));
    say(&c, "GET / HTTP/1.1\r\n" H "X-Request-Id: <script>\r\n\r\n");
    until(count(hear(&c), "X-Request-Id: ") == 2);
    assert_false(heard(&c, "script"));
    client_done(&c);
}

static void http_1_0_is_closed_unless_it_asks_to_be_kept(void **state)
{
    struct client c = client();
    say(&c, "GET /a HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\n");
    until(heard(&c, "<GET /a? >"));
    assert_true(heard(&c, "Connection: keep-alive\r\n"));
    say(&c, "GET /b HTTP/1.0\r\n" H "\r\n");
    until(ended(&c));
    assert_true(heard(&c, "<GET /b? >"));
    assert_true(heard(&c, "Connection: close\r\n"));
    client_done(&c);
}

static void a_malformed_request_is_answered_and_the_connection_closed(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n" H "\r\n", 505},
        {"BREW / HTTP/1.1\r\n" H "\r\n", 501},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 99999999\r\n\r\nabc", 413},
        {"POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\n" H "Expect: x\r\nContent-Length: 3\r\n\r\n", 417},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client c = client();
        int done = t.done;
        say(&c, rows[i].text);
        until(ended(&c));
        char want[32];
        (void)snprintf(want, sizeof want, "HTTP/1.1 %d ", rows[i].status);
        assert_int_equal(strncmp(hear(&c), want, strlen(want)), 0);
        assert_true(heard(&c, "Connection: close\r\n"));
        assert_true(heard(&c, "{\"error\":\""));
        assert_false(c.reset);
        assert_int_equal(t.done, done + 1);
        assert_int_equal(t.last_status, rows[i].status);
        client_done(&c);
    }
    assert_int_equal(t.requests, 0);
    until(http_server_conns(t.server) == 0);
}

static void continue_is_said_only_when_the_body_will_be_taken(void **state)
{
    struct client c = client();
    say(&c, "POST /ok HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    until(heard(&c, "HTTP/1.1 100 Continue\r\n\r\n"));
    say(&c, "abc");
    until(heard(&c, "<POST /ok? abc>"));
    say(&c, "POST /early HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    until(ended(&c));
    assert_int_equal(count(hear(&c), "100 Continue"), 1);
    assert_true(heard(&c, "HTTP/1.1 401 "));
    client_done(&c);

    c = client();
    say(&c, "POST /small HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    until(ended(&c));
    assert_true(heard(&c, "HTTP/1.1 413 "));
    assert_false(heard(&c, "100 Continue"));
    client_done(&c);

    c = client();
    say(&c, "POST /unasked HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n");
    until(t.heads == 4);
    turns(5);
    say(&c, "abc");
    until(heard(&c, "<POST /unasked? abc>"));
    assert_false(heard(&c, "100 Continue"));
    client_done(&c);
}

static void an_early_answer_is_seen_although_the_body_is_still_coming(void **state)
{
    struct client c = client();
    say(&c, "POST /early HTTP/1.1\r\n" H "Content-Length: 200000\r\n\r\n");
    static char body[200000];
    memset(body, 'x', sizeof body);
    say_n(&c, body, sizeof body);
    until(ended(&c));
    assert_false(c.reset);
    assert_true(heard(&c, "HTTP/1.1 401 "));
    assert_true(heard(&c, "Connection: close\r\n"));
    assert_int_equal(t.requests, 0);
    client_done(&c);
    until(http_server_conns(t.server) == 0);
}

static void an_early_answer_without_a_body_keeps_the_connection(void **state)
{
    struct client c = client();
    say(&c, GET("/early") GET("/b"));
    until(heard(&c, "<GET /b? >"));
    assert_false(heard(&c, "Connection: close"));
    assert_int_equal(t.requests, 1);
    client_done(&c);
}

static void who_never_stops_sending_after_the_answer_is_cut(void **state)
{
    struct client c = client();
    say(&c, "POST /early HTTP/1.1\r\n" H "Content-Length: 99999999\r\n\r\n");
    static char body[65536];
    uint64_t end = uv_hrtime() + DEADLINE_NS;
    ssize_t n = 0;
    size_t sent = 0;
    while ((n >= 0 || errno == EAGAIN) && uv_hrtime() < end) {
        n = send(c.fd, body, sizeof body, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    assert_true(n < 0 && errno != EAGAIN);
    assert_true(sent < 20U << 20);
    client_done(&c);
}

/* ---- clients that go ---- */

static void a_client_that_goes_while_its_request_is_pending_is_noticed_at_once(void **state)
{
    struct client c = client();
    say(&c, GET("/watched"));
    until(t.held);
    assert_false(http_gone(t.held));
    client_done(&c);
    turns(10); /* at once: not when a timer looks next time */
    assert_int_equal(t.gone, 1);
    assert_true(http_gone(t.held));
    until(http_server_conns(t.server) == 0);
    reply_text(t.held, 200, "too late");
    t.held = NULL;
    assert_int_equal(t.done, 1);
    turns(5);
    assert_int_equal(t.gone, 1);
}

static void who_only_ends_its_own_side_still_gets_the_answer(void **state)
{
    struct client c = client();
    say(&c, GET("/later") GET("/b"));
    (void)shutdown(c.fd, SHUT_WR);
    until(t.held);
    turns(20);
    assert_false(http_gone(t.held));
    struct http_req *r = t.held;
    t.held = NULL;
    reply_text(r, 200, "late but there");
    until(ended(&c));
    assert_true(heard(&c, "late but there"));
    assert_true(heard(&c, "<GET /b? >"));
    client_done(&c);
    until(http_server_conns(t.server) == 0);
}

static void asking_to_be_told_after_the_end_of_input_tells(void **state)
{
    struct client c = client();
    say(&c, GET("/later"));
    until(t.held);
    (void)shutdown(c.fd, SHUT_WR);
    turns(20);
    http_on_gone(t.held, on_gone, NULL);
    assert_int_equal(t.gone, 0); /* never from inside */
    until(t.gone == 1);
    client_done(&c);
}

static void a_client_that_resets_in_the_middle_of_a_body_costs_nothing(void **state)
{
    struct linger now = {1, 0};
    for (int i = 0; i < 20; i++) {
        struct client c = client();
        say(&c, "POST /x HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc");
        until(t.heads == i + 1);
        (void)setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        client_done(&c);
    }
    until(http_server_conns(t.server) == 0);
    assert_int_equal(t.requests, 0);
}

/* ---- streams ---- */

static void a_stream_is_chunked_and_the_connection_lives_on(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(t.stream);
    assert_true(http_stream_write(t.stream, "hello", 5));
    assert_true(http_stream_write(t.stream, "", 0));
    assert_true(http_stream_write(t.stream, "0123456789abcdef", 16));
    say(&c, GET("/after"));
    turns(10);
    assert_int_equal(t.requests, 1);
    http_stream_end(t.stream);
    t.stream = NULL;
    until(heard(&c, "<GET /after? >"));
    assert_true(heard(&c, "Transfer-Encoding: chunked\r\n"));
    assert_true(
        heard(&c, "\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nHTTP/1.1 200 "));
    assert_int_equal(t.stream_closed, 0);
    client_done(&c);
}

static void a_stream_for_1_0_ends_with_the_connection(void **state)
{
    struct client c = client();
    say(&c, "GET /stream HTTP/1.0\r\n" H "\r\n");
    until(t.stream);
    assert_true(http_stream_write(t.stream, "hello", 5));
    http_stream_end(t.stream);
    t.stream = NULL;
    until(ended(&c));
    assert_false(c.reset);
    assert_true(heard(&c, "\r\n\r\nhello"));
    assert_false(heard(&c, "chunked"));
    client_done(&c);
}

static void a_stream_for_head_is_its_head(void **state)
{
    struct client c = client();
    say(&c, "HEAD /stream HTTP/1.1\r\n" H "\r\n" GET("/b"));
    until(heard(&c, "<GET /b? >"));
    assert_null(t.stream);
    assert_int_equal(t.requests, 2);
    client_done(&c);
}

static void an_aborted_stream_is_seen_as_broken(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(t.stream);
    assert_true(http_stream_write(t.stream, "hello", 5));
    until(heard(&c, "hello"));
    http_stream_abort(t.stream);
    t.stream = NULL;
    until(ended(&c));
    assert_true(c.reset);
    assert_int_equal(t.stream_closed, 0);
    client_done(&c);
}

static void a_stream_whose_client_goes_is_closed_at_once(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(t.stream);
    client_done(&c);
    until(t.stream_closed == 1);
    until(http_server_conns(t.server) == 0);
}

/* Writes until the socket is full. */
static size_t fill_stream(void)
{
    static char piece[LIMIT_STREAM_CHUNK];
    size_t written = 0;
    memset(piece, 's', sizeof piece);
    while (t.stream && written < 512U << 20) {
        bool more = http_stream_write(t.stream, piece, sizeof piece);
        written += sizeof piece;
        if (!more)
            break;
    }
    return written;
}

static void a_slow_reader_is_told_apart_and_gets_everything(void **state)
{
    struct client c = client_from("127.0.0.1", 4096);
    say(&c, GET("/stream"));
    until(t.stream);
    size_t written = fill_stream();
    turns(20);
    assert_int_equal(t.drained, 0);
    until((hear(&c), t.drained == 1));
    http_stream_end(t.stream);
    t.stream = NULL;
    until(heard(&c, "\r\n0\r\n\r\n"));
    size_t got = 0;
    for (size_t i = 0; i < c.in.n; i++)
        got += c.in.p[i] == 's';
    assert_true(got >= written && got <= written + 20); /* the head has a few of its own */
    client_done(&c);
}

static void who_writes_on_without_waiting_is_cut_and_told_later(void **state)
{
    struct client c = client_from("127.0.0.1", 4096);
    say(&c, GET("/stream"));
    until(t.stream);
    for (int i = 0; i < 4; i++)
        (void)fill_stream();
    assert_int_equal(t.stream_closed, 0); /* never from inside */
    until(t.stream_closed == 1);
    client_done(&c);
}

static void a_request_behind_an_unread_answer_waits(void **state)
{
    struct client c = client_from("127.0.0.1", 4096);
    say(&c, GET("/big") GET("/b"));
    until(t.requests == 1);
    turns(20);
    assert_int_equal(t.requests, 1);
    until(heard(&c, "<GET /b? >"));
    assert_true(c.in.n > 16U << 20);
    client_done(&c);
}

static void an_answer_that_could_not_be_built_is_a_500(void **state)
{
    struct client c = client();
    say(&c, GET("/failed") GET("/b"));
    until(heard(&c, "<GET /b? >"));
    assert_true(heard(&c, "HTTP/1.1 500 Internal Server Error\r\n"));
    assert_true(heard(&c, "{\"error\":\"out_of_memory\"}"));
    client_done(&c);
}

static void a_stream_ends_when_the_client_ends_its_side(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(t.stream);
    (void)shutdown(c.fd, SHUT_WR);
    until(t.stream_closed == 1);
    client_done(&c);
}

static void no_stream_begins_for_a_client_that_has_gone(void **state)
{
    static const struct http_stream_cb cb = {on_drain, on_close};
    struct client gone = client(), half = client();
    say(&gone, GET("/watched"));
    until(t.held);
    client_done(&gone);
    until(t.gone == 1);
    assert_null(http_stream_begin(t.held, 200, "text/event-stream", &cb, NULL));
    t.held = NULL;
    say(&half, GET("/later"));
    until(t.held);
    (void)shutdown(half.fd, SHUT_WR);
    turns(20);
    assert_null(http_stream_begin(t.held, 200, "text/event-stream", &cb, NULL));
    t.held = NULL;
    until(http_server_conns(t.server) == 0);
    assert_int_equal(t.done, 2);
    client_done(&half);
}

static void a_large_answer_leaves_whole_after_the_client_ended_its_side(void **state)
{
    struct client c = client_from("127.0.0.1", 4096);
    say(&c, GET("/big"));
    (void)shutdown(c.fd, SHUT_WR);
    turns(50);
    until(ended(&c));
    assert_false(c.reset);
    assert_true(c.in.n > 16U << 20);
    client_done(&c);
}

/* ---- time ---- */

static void a_head_that_never_ends_is_a_timeout(void **state)
{
    struct client c = client();
    say(&c, "GET / HTTP/1.1\r\nHost:");
    until(ended(&c));
    assert_true(heard(&c, "HTTP/1.1 408 "));
    client_done(&c);
}

static void a_connection_that_never_speaks_is_closed(void **state)
{
    struct client c = client();
    until(ended(&c));
    assert_int_equal(c.in.n, 0);
    client_done(&c);
}

static void a_dribbled_head_is_a_timeout_too(void **state)
{
    struct client c = client();
    say(&c, "GET / HTTP/1.1\r\nX: ");
    uint64_t end = uv_hrtime() + DEADLINE_NS;
    while (!ended(&c) && uv_hrtime() < end) {
        (void)send(c.fd, "a", 1, MSG_NOSIGNAL);
        for (int i = 0; i < 50; i++) {
            turn();
            (void)usleep(100);
        }
    }
    assert_true(heard(&c, "HTTP/1.1 408 "));
    client_done(&c);
}

static void a_body_that_never_ends_is_a_timeout(void **state)
{
    struct client c = client();
    say(&c, "POST / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab");
    until(ended(&c));
    assert_true(heard(&c, "HTTP/1.1 408 "));
    assert_int_equal(t.last_status, 408);
    client_done(&c);
}

static void an_idle_connection_is_closed_and_a_waiting_one_is_not(void **state)
{
    struct client idle = client(), waiting = client(), stream = client();
    say(&waiting, GET("/later"));
    say(&stream, GET("/stream"));
    say(&idle, GET("/a"));
    until(heard(&idle, "<GET /a? >"));
    until(ended(&idle));
    uint64_t end = uv_hrtime() + 1500ULL * 1000 * 1000;
    while (uv_hrtime() < end)
        turn();
    assert_false(ended(&waiting));
    assert_false(ended(&stream));
    assert_int_equal(http_server_conns(t.server), 2);
    client_done(&idle);
    client_done(&waiting);
    client_done(&stream);
}

static void a_client_that_takes_nothing_is_closed(void **state)
{
    struct client c = client_from("127.0.0.1", 4096), s = client_from("127.0.0.1", 4096);
    say(&c, GET("/big"));
    say(&s, GET("/stream"));
    until(t.stream);
    (void)fill_stream();
    until(http_server_conns(t.server) == 0);
    assert_int_equal(t.stream_closed, 1);
    client_done(&c);
    client_done(&s);
}

/* ---- many ---- */

static void the_oldest_half_open_connection_makes_room_for_the_newest(void **state)
{
    enum { EXTRA = 10, ALL = LIMIT_HALF_OPEN_PER_ADDR + EXTRA };
    static struct client c[ALL];
    for (int i = 0; i < ALL; i++) {
        c[i] = client_from("127.0.0.2", 0);
        say(&c[i], i % 2 ? "GET / HT" : "");
        until(http_server_conns(t.server) >=
              (unsigned)(i < LIMIT_HALF_OPEN_PER_ADDR ? i + 1 : LIMIT_HALF_OPEN_PER_ADDR));
        turns(3);
    }
    until(http_server_conns(t.server) == LIMIT_HALF_OPEN_PER_ADDR);
    for (int i = 0; i < ALL; i++)
        assert_int_equal(ended(&c[i]), i < EXTRA);
    /* The last one and another address are served. */
    say(&c[ALL - 1], "TP/1.1\r\n" H "\r\n");
    until(heard(&c[ALL - 1], "HTTP/1.1 200 "));
    struct client other = client();
    say(&other, GET("/b"));
    until(heard(&other, "<GET /b? >"));
    client_done(&other);
    for (int i = 0; i < ALL; i++)
        client_done(&c[i]);
    until(http_server_conns(t.server) == 0);
}

static void a_head_begun_on_a_kept_connection_is_half_open_too(void **state)
{
    struct client first = client_from("127.0.0.2", 0);
    say(&first, GET("/a"));
    until(heard(&first, "<GET /a? >"));
    say(&first, "GET");
    turns(10);
    static struct client c[LIMIT_HALF_OPEN_PER_ADDR];
    for (int i = 0; i < LIMIT_HALF_OPEN_PER_ADDR; i++) {
        c[i] = client_from("127.0.0.2", 0);
        turns(3);
    }
    until(ended(&first));
    for (int i = 0; i < LIMIT_HALF_OPEN_PER_ADDR; i++)
        client_done(&c[i]);
    client_done(&first);
}

static void one_address_gets_half_of_all_connections(void **state)
{
    struct client c[5], other[5];
    for (int i = 0; i < 5; i++) {
        c[i] = client_from("127.0.0.2", 0);
        say(&c[i], GET("/later"));
        if (i < 4)
            until(t.requests == i + 1);
        if (t.held && i < 4) { /* answered, kept */
            struct http_req *r = t.held;
            t.held = NULL;
            reply_text(r, 200, "x");
        }
    }
    until(ended(&c[4]));
    assert_true(heard(&c[4], "HTTP/1.1 503 "));
    /* All are taken now; the one that has been idle longest makes room for another address. */
    for (int i = 0; i < 4; i++) {
        other[i] = client_from("127.0.0.3", 0);
        say(&other[i], GET("/b"));
        until(heard(&other[i], "<GET /b? >"));
    }
    other[4] = client_from("127.0.0.4", 0);
    say(&other[4], GET("/b"));
    until(heard(&other[4], "<GET /b? >"));
    until(ended(&c[0]));
    assert_false(ended(&c[1]));
    for (int i = 0; i < 5; i++) {
        client_done(&c[i]);
        client_done(&other[i]);
    }
}

static void hundreds_of_connections_at_once_are_all_served(void **state)
{
    enum { N = 400 };
    static struct client c[N];
    for (int i = 0; i < N; i++) {
        char from[20];
        (void)snprintf(from, sizeof from, "127.0.1.%d", 1 + i % 100);
        c[i] = client_from(from, 0);
        (void)send(c[i].fd, GET("/a"), sizeof(GET("/a")) - 1, 0);
    }
    for (int i = 0; i < N; i++)
        until(heard(&c[i], "<GET /a? >"));
    for (int i = 0; i < N; i++)
        client_done(&c[i]);
    until(http_server_conns(t.server) == 0);
}

/* ---- unix socket ---- */

static void a_unix_socket_serves_too_and_only_a_dead_one_is_replaced(void **state)
{
    char dir[] = "/tmp/http-test-XXXXXX", path[64];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct err e = {0};
    struct stat st;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/s", dir);
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0); /* a socket that its owner left behind */
    assert_int_equal(bind(dead, (struct sockaddr *)&un, sizeof un), 0);
    (void)close(dead);
    assert_true(http_listen_unix(t.server, path, &e));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_false(http_listen_unix(t.server, path, &e)); /* it is alive now */
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    buf_init(&c.in, 1 << 20);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&un, sizeof un), 0);
    (void)fcntl(c.fd, F_SETFL, O_NONBLOCK);
    say(&c, GET("/u"));
    until(heard(&c, "<GET /u? >"));
    assert_string_equal(t.last_peer, "unix");
    say(&c, GET("/stream"));
    until(t.stream);
    http_stream_abort(t.stream);
    t.stream = NULL;
    until(ended(&c));
    assert_false(heard(&c, "\r\n0\r\n\r\n"));
    client_done(&c);
    (void)unlink(path);
    int plain = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(plain >= 0);
    (void)close(plain);
    assert_false(http_listen_unix(t.server, path, &e)); /* a file is nobody's socket */
    assert_int_equal(stat(path, &st), 0);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void what_cannot_be_listened_on_is_an_error(void **state)
{
    struct err e = {0};
    assert_false(http_listen_tcp(t.server, "localhost", 0, &e));
    assert_false(http_listen_tcp(t.server, "127.0.0.1", t.port, &e));
    assert_true(http_listen_tcp(t.server, "::1", 0, &e) || e.code == ERR_UNAVAILABLE);
}

/* ---- going down ---- */

static void draining_ends_idle_connections_and_lets_the_others_finish(void **state)
{
    struct client idle = client(), busy = client(), half = client();
    say(&idle, GET("/a"));
    until(heard(&idle, "<GET /a? >"));
    say(&busy, GET("/later"));
    say(&half, "GET /b HTTP/1.1\r\n");
    until(t.held);
    http_server_drain(t.server);
    until(ended(&idle));
    assert_false(idle.reset);
    assert_false(ended(&busy));
    struct http_req *r = t.held;
    t.held = NULL;
    reply_text(r, 200, "finished");
    until(ended(&busy));
    assert_true(heard(&busy, "finished"));
    assert_true(heard(&busy, "Connection: close\r\n"));
    say(&half, H "\r\n");
    until(ended(&half));
    assert_true(heard(&half, "<GET /b? >"));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t.port)};
    (void)inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), -1);
    (void)close(fd);
    client_done(&idle);
    client_done(&busy);
    client_done(&half);
    until(http_server_conns(t.server) == 0);
}

static void closing_tells_whoever_waits_and_leaves_nothing(void **state)
{
    struct client a = client(), b = client(), c = client();
    say(&a, GET("/watched"));
    say(&b, GET("/stream"));
    say(&c, "GET /b HTTP/1.1\r\n");
    until(t.held && t.stream);
    /* stop() closes the server, answers what is owed and checks that the loop is empty */
    http_stream_write(t.stream, "x", 1);
    client_done(&a);
    client_done(&b);
    client_done(&c);
}

/* The k-th allocation fails, for k = 1, 2, …, each time on a new server: the client is answered or
 * the connection ends, and closing still leaves nothing. */
static void a_failing_allocation_ends_in_an_answer_or_a_closed_connection(void **state)
{
    static const char text[] = "POST /a?b HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc";
    for (unsigned long k = 1; k < 16; k++) {
        struct client c = client();
        assert_true(buf_reserve(&c.in, 65536)); /* the client's own memory does not fail */
        (void)send(c.fd, text, sizeof text - 1, MSG_NOSIGNAL);
        (void)shutdown(c.fd, SHUT_WR);
        (void)mem_fail_at(k);
        until(ended(&c));
        (void)mem_fail_at(0);
        client_done(&c);
        until(http_server_conns(t.server) == 0);
        (void)stop(NULL);
        (void)start(NULL);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, start_impatient, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_serves_one_request_after_another),
        T(pipelined_requests_are_answered_in_order),
        T(a_pipelined_request_waits_for_the_answer_before_it),
        T(a_flood_behind_a_request_in_hand_is_not_read_without_bound),
        T(a_client_that_goes_is_noticed_although_nothing_more_is_read),
        T(a_request_may_come_byte_by_byte),
        T(head_gets_the_length_and_no_body),
        T(options_reach_the_application),
        T(no_content_has_neither_body_nor_length),
        T(the_callers_request_id_is_kept_when_it_is_sound),
        T(http_1_0_is_closed_unless_it_asks_to_be_kept),
        T(a_malformed_request_is_answered_and_the_connection_closed),
        T(continue_is_said_only_when_the_body_will_be_taken),
        T(an_early_answer_is_seen_although_the_body_is_still_coming),
        T(an_early_answer_without_a_body_keeps_the_connection),
        T(who_never_stops_sending_after_the_answer_is_cut),
        T(a_client_that_goes_while_its_request_is_pending_is_noticed_at_once),
        T(who_only_ends_its_own_side_still_gets_the_answer),
        T(asking_to_be_told_after_the_end_of_input_tells),
        T(a_client_that_resets_in_the_middle_of_a_body_costs_nothing),
        T(a_stream_is_chunked_and_the_connection_lives_on),
        T(a_stream_for_1_0_ends_with_the_connection),
        T(a_stream_for_head_is_its_head),
        T(an_aborted_stream_is_seen_as_broken),
        T(a_stream_whose_client_goes_is_closed_at_once),
        T(a_slow_reader_is_told_apart_and_gets_everything),
        T(who_writes_on_without_waiting_is_cut_and_told_later),
        T(a_request_behind_an_unread_answer_waits),
        T(an_answer_that_could_not_be_built_is_a_500),
        T(a_stream_ends_when_the_client_ends_its_side),
        T(no_stream_begins_for_a_client_that_has_gone),
        T(a_large_answer_leaves_whole_after_the_client_ended_its_side),
        IMPATIENT(a_head_that_never_ends_is_a_timeout),
        IMPATIENT(a_connection_that_never_speaks_is_closed),
        IMPATIENT(a_dribbled_head_is_a_timeout_too),
        IMPATIENT(a_body_that_never_ends_is_a_timeout),
        IMPATIENT(an_idle_connection_is_closed_and_a_waiting_one_is_not),
        IMPATIENT(a_client_that_takes_nothing_is_closed),
        T(the_oldest_half_open_connection_makes_room_for_the_newest),
        T(a_head_begun_on_a_kept_connection_is_half_open_too),
        cmocka_unit_test_setup_teardown(one_address_gets_half_of_all_connections, start_small,
                                        stop),
        T(hundreds_of_connections_at_once_are_all_served),
        T(a_unix_socket_serves_too_and_only_a_dead_one_is_replaced),
        T(what_cannot_be_listened_on_is_an_error),
        T(draining_ends_idle_connections_and_lets_the_others_finish),
        T(closing_tells_whoever_waits_and_leaves_nothing),
        T(a_failing_allocation_ends_in_an_answer_or_a_closed_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
