/* http_get and tcp_connect against a small server of our own. */
#include "sys/http_get.h"
#include "sys/tcp_connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Takes one connection, notes what it is asked, says `answer` and closes. */
struct server {
    int fd, port;
    const char *answer; /* NULL: nothing, until the peer closes */
    char asked[1024];
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    size_t n = 0;
    int fd = accept(s->fd, NULL, NULL);
    while (!strstr(s->asked, "\r\n\r\n") && n + 1 < sizeof s->asked) {
        ssize_t got = read(fd, s->asked + n, sizeof s->asked - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    char rest;
    if (s->answer)
        (void)!write(fd, s->answer, strlen(s->answer));
    else
        (void)!read(fd, &rest, 1);
    (void)close(fd);
    return NULL;
}

static int listening(int *port, int backlog)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void server_start(struct server *s, const char *answer)
{
    *s = (struct server){.answer = answer};
    s->fd = listening(&s->port, 1);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
}

static int ask(struct server *s, const char *host, unsigned ms, struct buf *out, struct err *e)
{
    int fd = tcp_connect("localhost", s->port, 2000, -1, e);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    const struct http_get g = {
        .fd = fd, .url = "http://name.invalid:1234/status.php", .host = host, .timeout_ms = ms};
    int status = http_get(&g, out, e);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
    server_end(s);
    return status;
}

static void an_answer(void **state)
{
    struct server s;
    struct buf b;
    struct err e;
    buf_init(&b, 100);
    server_start(&s, "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(ask(&s, "cloud.example.org", 5000, &b, &e), 503);
    assert_string_equal(buf_str(&b), "{}");
    assert_non_null(strstr(s.asked, "GET /status.php HTTP/1.1\r\n"));
    assert_non_null(strstr(s.asked, "\r\nHost: cloud.example.org\r\n"));
    buf_reset(&b);
    server_start(&s, "HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(ask(&s, NULL, 5000, &b, &e), 302); /* is not followed */
    assert_non_null(strstr(s.asked, "\r\nHost: name.invalid:1234\r\n"));
    buf_done(&b);
}

static void no_whole_answer(void **state)
{
    struct server s;
    struct buf b;
    struct err e;
    buf_init(&b, 100);
    server_start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}");
    assert_int_equal(ask(&s, NULL, 5000, &b, &e), -1);
    buf_reset(&b);
    server_start(&s, "");
    assert_int_equal(ask(&s, NULL, 5000, &b, &e), -1);
    server_start(&s, NULL);
    assert_int_equal(ask(&s, NULL, 50, &b, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    buf_done(&b);
}

static void an_answer_that_is_too_long(void **state)
{
    struct server s;
    struct buf b;
    struct err e;
    buf_init(&b, 10);
    server_start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901");
    assert_int_equal(ask(&s, NULL, 5000, &b, &e), -1);
    assert_string_equal(e.msg, "the answer is too long");
    buf_done(&b);
}

static void a_port_that_is_closed(void **state)
{
    struct err e;
    int port, fd = listening(&port, 1);
    (void)close(fd);
    assert_int_equal(tcp_connect("127.0.0.1", port, 2000, -1, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.msg, "refuses the connection"));
    assert_int_equal(tcp_connect("no such name", 80, 2000, -1, &e), -1);
    assert_string_equal(e.msg, "the name no such name is not known");
}

/* A full backlog: the kernel drops what comes. */
static void one_that_does_not_answer(void **state)
{
    struct err e;
    int port, fd = listening(&port, 0), held[8], n = 0;
    for (; n < 8; n++) {
        held[n] = tcp_connect("127.0.0.1", port, 100, -1, &e);
        if (held[n] < 0)
            break;
    }
    assert_true(n > 0 && n < 8);
    assert_non_null(strstr(e.msg, "does not answer in time"));
    int stop = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(tcp_connect("127.0.0.1", port, 60000, stop, &e), -1);
    assert_int_equal(e.code, ERR_INTERRUPTED);
    (void)close(stop);
    while (n-- > 0)
        (void)close(held[n]);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer),
        cmocka_unit_test(no_whole_answer),
        cmocka_unit_test(an_answer_that_is_too_long),
        cmocka_unit_test(a_port_that_is_closed),
        cmocka_unit_test(one_that_does_not_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
