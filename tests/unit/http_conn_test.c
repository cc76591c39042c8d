/* Connections: many requests on one, and clients that go. */
#include "http_kit.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* ---- one request after another ---- */

static void a_connection_serves_one_request_after_another(void **state)
{
    struct client c = client();
    for (int i = 1; i <= 3; i++) {
        say(&c, GET("/a?q=1"));
        until(count(hear(&c), "<GET /a?q=1 >") == i);
    }
    assert_int_equal(scene.requests, 3);
    assert_int_equal(scene.done, 3);
    assert_int_equal(http_server_conns(scene.server), 1);
    assert_int_equal(count(hear(&c), "Content-Length: 13\r\n"), 3);
    assert_int_equal(count(hear(&c), "X-Mine: yes\r\n"), 3);
    assert_int_equal(count(hear(&c), "X-Request-Id: "), 3);
    assert_int_equal(count(hear(&c), "\r\nDate: "), 3);
    assert_string_equal(scene.last_peer, "127.0.0.1");
    client_done(&c);
    until(http_server_conns(scene.server) == 0);
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
    until(scene.held);
    turns(20);
    assert_int_equal(scene.requests, 1);
    struct http_req *r = scene.held;
    scene.held = NULL;
    reply_text(r, 200, "first");
    until(heard(&c, "/second"));
    assert_true(strstr(hear(&c), "first") < strstr(hear(&c), "/second"));
    client_done(&c);
}

static void a_request_behind_an_unread_answer_waits(void **state)
{
    struct client c = client_from("127.0.0.1", 4096);
    say(&c, GET("/big") GET("/b"));
    until(scene.requests == 1);
    turns(20);
    assert_int_equal(scene.requests, 1);
    until(heard(&c, "<GET /b? >"));
    assert_true(c.in.n > 16U << 20);
    client_done(&c);
}

static void a_flood_behind_a_request_in_hand_is_not_read_without_bound(void **state)
{
    struct client c = client();
    say(&c, GET("/later"));
    until(scene.held);
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

/* ---- clients that go ---- */

static void a_client_that_goes_is_noticed_although_nothing_more_is_read(void **state)
{
    struct client c = client();
    say(&c, GET("/watched"));
    until(scene.held);
    static char flood[2 * LIMIT_PIPELINE];
    memset(flood, 'x', sizeof flood);
    say_n(&c, flood, sizeof flood);
    turns(20);
    assert_int_equal(scene.gone, 0);
    client_done(&c);
    until(scene.gone == 1);
}

static void a_client_that_goes_while_its_request_is_pending_is_noticed_at_once(void **state)
{
    struct client c = client();
    say(&c, GET("/watched"));
    until(scene.held);
    assert_false(http_gone(scene.held));
    client_done(&c);
    turns(10); /* at once: not when a timer looks next time */
    assert_int_equal(scene.gone, 1);
    assert_true(http_gone(scene.held));
    until(http_server_conns(scene.server) == 0);
    reply_text(scene.held, 200, "too late");
    scene.held = NULL;
    assert_int_equal(scene.done, 1);
    turns(5);
    assert_int_equal(scene.gone, 1);
}

static void who_only_ends_its_own_side_still_gets_the_answer(void **state)
{
    struct client c = client();
    say(&c, GET("/later") GET("/b"));
    (void)shutdown(c.fd, SHUT_WR);
    until(scene.held);
    turns(20);
    assert_false(http_gone(scene.held));
    struct http_req *r = scene.held;
    scene.held = NULL;
    reply_text(r, 200, "late but there");
    until(ended(&c));
    assert_true(heard(&c, "late but there"));
    assert_true(heard(&c, "<GET /b? >"));
    client_done(&c);
    until(http_server_conns(scene.server) == 0);
}

static void asking_to_be_told_after_the_end_of_input_tells(void **state)
{
    struct client c = client();
    say(&c, GET("/later"));
    until(scene.held);
    (void)shutdown(c.fd, SHUT_WR);
    turns(20);
    http_on_gone(scene.held, on_gone, NULL);
    assert_int_equal(scene.gone, 0); /* never from inside */
    until(scene.gone == 1);
    client_done(&c);
}

static void a_client_that_resets_in_the_middle_of_a_body_costs_nothing(void **state)
{
    struct linger now = {1, 0};
    for (int i = 0; i < 20; i++) {
        struct client c = client();
        say(&c, "POST /x HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc");
        until(scene.heads == i + 1);
        (void)setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        client_done(&c);
    }
    until(http_server_conns(scene.server) == 0);
    assert_int_equal(scene.requests, 0);
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

#define T(name) cmocka_unit_test_setup_teardown(name, scene_start, scene_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_serves_one_request_after_another),
        T(pipelined_requests_are_answered_in_order),
        T(a_pipelined_request_waits_for_the_answer_before_it),
        T(a_request_behind_an_unread_answer_waits),
        T(a_flood_behind_a_request_in_hand_is_not_read_without_bound),
        T(a_request_may_come_byte_by_byte),
        T(http_1_0_is_closed_unless_it_asks_to_be_kept),
        T(a_client_that_goes_is_noticed_although_nothing_more_is_read),
        T(a_client_that_goes_while_its_request_is_pending_is_noticed_at_once),
        T(who_only_ends_its_own_side_still_gets_the_answer),
        T(asking_to_be_told_after_the_end_of_input_tells),
        T(a_client_that_resets_in_the_middle_of_a_body_costs_nothing),
        T(a_large_answer_leaves_whole_after_the_client_ended_its_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
