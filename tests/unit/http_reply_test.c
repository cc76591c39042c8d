/* Requests and their answers. */
#include "http_kit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

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
        int done = scene.done;
        say(&c, rows[i].text);
        until(ended(&c));
        char want[32];
        (void)snprintf(want, sizeof want, "HTTP/1.1 %d ", rows[i].status);
        assert_int_equal(strncmp(hear(&c), want, strlen(want)), 0);
        assert_true(heard(&c, "Connection: close\r\n"));
        assert_true(heard(&c, "{\"error\":\""));
        assert_false(c.reset);
        assert_int_equal(scene.done, done + 1);
        assert_int_equal(scene.last_status, rows[i].status);
        client_done(&c);
    }
    assert_int_equal(scene.requests, 0);
    until(http_server_conns(scene.server) == 0);
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
    until(scene.heads == 4);
    turns(5);
    say(&c, "abc");
    until(heard(&c, "<POST /unasked? abc>"));
    assert_false(heard(&c, "100 Continue"));
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

/* ---- an answer before the body is there ---- */

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
    assert_int_equal(scene.requests, 0);
    client_done(&c);
    until(http_server_conns(scene.server) == 0);
}

static void an_early_answer_without_a_body_keeps_the_connection(void **state)
{
    struct client c = client();
    say(&c, GET("/early") GET("/b"));
    until(heard(&c, "<GET /b? >"));
    assert_false(heard(&c, "Connection: close"));
    assert_int_equal(scene.requests, 1);
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

#define T(name) cmocka_unit_test_setup_teardown(name, scene_start, scene_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(head_gets_the_length_and_no_body),
        T(options_reach_the_application),
        T(no_content_has_neither_body_nor_length),
        T(the_callers_request_id_is_kept_when_it_is_sound),
        T(a_malformed_request_is_answered_and_the_connection_closed),
        T(continue_is_said_only_when_the_body_will_be_taken),
        T(an_answer_that_could_not_be_built_is_a_500),
        T(an_early_answer_is_seen_although_the_body_is_still_coming),
        T(an_early_answer_without_a_body_keeps_the_connection),
        T(who_never_stops_sending_after_the_answer_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
