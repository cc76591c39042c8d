/* Answers that are streams. */
#include "http_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static void a_stream_is_chunked_and_the_connection_lives_on(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(scene.stream);
    assert_true(http_stream_write(scene.stream, "hello", 5));
    assert_true(http_stream_write(scene.stream, "", 0));
    assert_true(http_stream_write(scene.stream, "0123456789abcdef", 16));
    say(&c, GET("/after"));
    turns(10);
    assert_int_equal(scene.requests, 1);
    http_stream_end(scene.stream);
    scene.stream = NULL;
    until(heard(&c, "<GET /after? >"));
    assert_true(heard(&c, "Transfer-Encoding: chunked\r\n"));
    assert_true(
        heard(&c, "\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nHTTP/1.1 200 "));
    assert_int_equal(scene.stream_closed, 0);
    client_done(&c);
}

static void a_stream_for_1_0_ends_with_the_connection(void **state)
{
    struct client c = client();
    say(&c, "GET /stream HTTP/1.0\r\n" H "\r\n");
    until(scene.stream);
    assert_true(http_stream_write(scene.stream, "hello", 5));
    http_stream_end(scene.stream);
    scene.stream = NULL;
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
    assert_null(scene.stream);
    assert_int_equal(scene.requests, 2);
    client_done(&c);
}

static void an_aborted_stream_is_seen_as_broken(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(scene.stream);
    assert_true(http_stream_write(scene.stream, "hello", 5));
    until(heard(&c, "hello"));
    http_stream_abort(scene.stream);
    scene.stream = NULL;
    until(ended(&c));
    assert_true(c.reset);
    assert_int_equal(scene.stream_closed, 0);
    client_done(&c);
}

static void a_stream_whose_client_goes_is_closed_at_once(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(scene.stream);
    client_done(&c);
    until(scene.stream_closed == 1);
    until(http_server_conns(scene.server) == 0);
}

static void a_slow_reader_is_told_apart_and_gets_everything(void **state)
{
    struct client c = client_from("127.0.0.1", 4096);
    say(&c, GET("/stream"));
    until(scene.stream);
    size_t written = fill_stream();
    turns(20);
    assert_int_equal(scene.drained, 0);
    until((hear(&c), scene.drained == 1));
    http_stream_end(scene.stream);
    scene.stream = NULL;
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
    until(scene.stream);
    for (int i = 0; i < 4; i++)
        (void)fill_stream();
    assert_int_equal(scene.stream_closed, 0); /* never from inside */
    until(scene.stream_closed == 1);
    client_done(&c);
}

static void a_stream_ends_when_the_client_ends_its_side(void **state)
{
    struct client c = client();
    say(&c, GET("/stream"));
    until(scene.stream);
    (void)shutdown(c.fd, SHUT_WR);
    until(scene.stream_closed == 1);
    client_done(&c);
}

static void no_stream_begins_for_a_client_that_has_gone(void **state)
{
    static const struct http_stream_cb cb = {on_drain, on_close};
    struct client gone = client(), half = client();
    say(&gone, GET("/watched"));
    until(scene.held);
    client_done(&gone);
    until(scene.gone == 1);
    assert_null(http_stream_begin(scene.held, 200, "text/event-stream", &cb, NULL));
    scene.held = NULL;
    say(&half, GET("/later"));
    until(scene.held);
    (void)shutdown(half.fd, SHUT_WR);
    turns(20);
    assert_null(http_stream_begin(scene.held, 200, "text/event-stream", &cb, NULL));
    scene.held = NULL;
    until(http_server_conns(scene.server) == 0);
    assert_int_equal(scene.done, 2);
    client_done(&half);
}

#define T(name) cmocka_unit_test_setup_teardown(name, scene_start, scene_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_stream_is_chunked_and_the_connection_lives_on),
        T(a_stream_for_1_0_ends_with_the_connection),
        T(a_stream_for_head_is_its_head),
        T(an_aborted_stream_is_seen_as_broken),
        T(a_stream_whose_client_goes_is_closed_at_once),
        T(a_slow_reader_is_told_apart_and_gets_everything),
        T(who_writes_on_without_waiting_is_cut_and_told_later),
        T(a_stream_ends_when_the_client_ends_its_side),
        T(no_stream_begins_for_a_client_that_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
