/* Listening, going down, and no memory. */
#include "http_kit.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- listening ---- */

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
    assert_true(http_listen_unix(scene.server, path, &e));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_false(http_listen_unix(scene.server, path, &e)); /* it is alive now */
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    buf_init(&c.in, 1 << 20);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&un, sizeof un), 0);
    (void)fcntl(c.fd, F_SETFL, O_NONBLOCK);
    say(&c, GET("/u"));
    until(heard(&c, "<GET /u? >"));
    assert_string_equal(scene.last_peer, "unix");
    say(&c, GET("/stream"));
    until(scene.stream);
    http_stream_abort(scene.stream);
    scene.stream = NULL;
    until(ended(&c));
    assert_false(heard(&c, "\r\n0\r\n\r\n"));
    client_done(&c);
    (void)unlink(path);
    int plain = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(plain >= 0);
    (void)close(plain);
    assert_false(http_listen_unix(scene.server, path, &e)); /* a file is nobody's socket */
    assert_int_equal(stat(path, &st), 0);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void what_cannot_be_listened_on_is_an_error(void **state)
{
    struct err e = {0};
    assert_false(http_listen_tcp(scene.server, "localhost", 0, &e));
    assert_false(http_listen_tcp(scene.server, "127.0.0.1", scene.port, &e));
    assert_true(http_listen_tcp(scene.server, "::1", 0, &e) || e.code == ERR_UNAVAILABLE);
}

/* ---- going down ---- */

static void draining_ends_idle_connections_and_lets_the_others_finish(void **state)
{
    struct client idle = client(), busy = client(), half = client();
    say(&idle, GET("/a"));
    until(heard(&idle, "<GET /a? >"));
    say(&busy, GET("/later"));
    say(&half, "GET /b HTTP/1.1\r\n");
    until(scene.held);
    http_server_drain(scene.server);
    until(ended(&idle));
    assert_false(idle.reset);
    assert_false(ended(&busy));
    struct http_req *r = scene.held;
    scene.held = NULL;
    reply_text(r, 200, "finished");
    until(ended(&busy));
    assert_true(heard(&busy, "finished"));
    assert_true(heard(&busy, "Connection: close\r\n"));
    say(&half, H "\r\n");
    until(ended(&half));
    assert_true(heard(&half, "<GET /b? >"));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)scene.port)};
    (void)inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), -1);
    (void)close(fd);
    client_done(&idle);
    client_done(&busy);
    client_done(&half);
    until(http_server_conns(scene.server) == 0);
}

static void closing_tells_whoever_waits_and_leaves_nothing(void **state)
{
    struct client a = client(), b = client(), c = client();
    say(&a, GET("/watched"));
    say(&b, GET("/stream"));
    say(&c, "GET /b HTTP/1.1\r\n");
    until(scene.held && scene.stream);
    /* scene_stop() closes the server, answers what is owed and checks that the loop is empty */
    http_stream_write(scene.stream, "x", 1);
    client_done(&a);
    client_done(&b);
    client_done(&c);
}

/* ---- no memory ---- */

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
        until(http_server_conns(scene.server) == 0);
        (void)scene_stop(NULL);
        (void)scene_start(NULL);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, scene_start, scene_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_unix_socket_serves_too_and_only_a_dead_one_is_replaced),
        T(what_cannot_be_listened_on_is_an_error),
        T(draining_ends_idle_connections_and_lets_the_others_finish),
        T(closing_tells_whoever_waits_and_leaves_nothing),
        T(a_failing_allocation_ends_in_an_answer_or_a_closed_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
