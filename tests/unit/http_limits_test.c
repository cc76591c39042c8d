/* What a client may take of time and of connections. */
#include "http_kit.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
    assert_int_equal(scene.last_status, 408);
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
    assert_int_equal(http_server_conns(scene.server), 2);
    client_done(&idle);
    client_done(&waiting);
    client_done(&stream);
}

static void a_client_that_takes_nothing_is_closed(void **state)
{
    struct client c = client_from("127.0.0.1", 4096), s = client_from("127.0.0.1", 4096);
    say(&c, GET("/big"));
    say(&s, GET("/stream"));
    until(scene.stream);
    (void)fill_stream();
    until(http_server_conns(scene.server) == 0);
    assert_int_equal(scene.stream_closed, 1);
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
        until(http_server_conns(scene.server) >=
              (unsigned)(i < LIMIT_HALF_OPEN_PER_ADDR ? i + 1 : LIMIT_HALF_OPEN_PER_ADDR));
        turns(3);
    }
    until(http_server_conns(scene.server) == LIMIT_HALF_OPEN_PER_ADDR);
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
    until(http_server_conns(scene.server) == 0);
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
            until(scene.requests == i + 1);
        if (scene.held && i < 4) { /* answered, kept */
            struct http_req *r = scene.held;
            scene.held = NULL;
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
    until(http_server_conns(scene.server) == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, scene_start, scene_stop)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, scene_start_impatient, scene_stop)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, scene_start_small, scene_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMPATIENT(a_head_that_never_ends_is_a_timeout),
        IMPATIENT(a_connection_that_never_speaks_is_closed),
        IMPATIENT(a_dribbled_head_is_a_timeout_too),
        IMPATIENT(a_body_that_never_ends_is_a_timeout),
        IMPATIENT(an_idle_connection_is_closed_and_a_waiting_one_is_not),
        IMPATIENT(a_client_that_takes_nothing_is_closed),
        T(the_oldest_half_open_connection_makes_room_for_the_newest),
        T(a_head_begun_on_a_kept_connection_is_half_open_too),
        SMALL(one_address_gets_half_of_all_connections),
        T(hundreds_of_connections_at_once_are_all_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
