/* Streams and waits, against a server that does what a real Engine does not do on request. */
#include "base/mem.h"
#include "docker/engine_internal.h"

#include "engine_kit.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define ONE "\1\0\0\0\0\0\0\4one\n"
#define OH "\2\0\0\0\0\0\0\3oh\n"
#define BYTES(s) s, sizeof(s) - 1
#define LOGS "GET /v1.41/containers/one/logs?stdout=1&stderr=1&follow=1"

struct heard {
    struct engine_stream *stream; /* set once it is open */
    char out[256], err[256];
    unsigned ends, datas;
    struct err why;
    bool before_open, close_at_data, close_at_end;
};

static void on_data(void *arg, enum engine_out out, const char *p, size_t n)
{
    struct heard *h = arg;
    h->before_open = h->before_open || !h->stream;
    h->datas++;
    (void)strncat(out == ENGINE_STDERR ? h->err : h->out, p, n);
    if (h->close_at_data)
        engine_stream_close(h->stream);
}

static void on_end(void *arg, const struct err *e)
{
    struct heard *h = arg;
    h->before_open = h->before_open || !h->stream;
    h->ends++;
    if (e)
        h->why = *e;
    if (h->close_at_end)
        engine_stream_close(h->stream);
}

/* Opens the logs and serves them to their end. */
static struct engine *listen_to(const struct kit_answer *script, struct heard *h)
{
    struct err e = {0};
    const struct engine_sink sink = {on_data, on_end, h};
    kit_start(script);
    struct engine *en = kit_engine();
    h->stream = engine_logs(en, "one", 0, true, &sink, &e);
    assert_non_null(h->stream);
    for (int i = 0; i < 100 && !h->ends && !(h->close_at_data && h->datas); i++)
        assert_true(engine_wait(en, 100));
    return en;
}

static void over(struct engine *en)
{
    engine_close(en);
    kit_stop();
}

/* ---- how it comes and ends ---- */

static void what_came_is_told_apart_and_a_clean_end_is_one(void **state)
{
    static const struct kit_answer script[] = {
        PING_141, {LOGS, BYTES(HEAD "\r\n" ONE OH ONE), THEN_CLOSE}, {0}};
    struct heard h = {0};
    struct engine *en = listen_to(script, &h);
    assert_string_equal(h.out, "one\none\n");
    assert_string_equal(h.err, "oh\n");
    assert_int_equal(h.ends, 1);
    assert_int_equal(h.why.code, ERR_NONE);
    assert_false(h.before_open);
    assert_true(engine_wait(en, 20)); /* the end is told once */
    assert_int_equal(h.ends, 1);
    over(en);
}

static void a_cut_stream_says_so(void **state)
{
    static const struct kit_answer scripts[][3] = {
        {PING_141, {LOGS, BYTES(HEAD "\r\n" ONE "\1\0\0\0\0\0\0\4tw"), THEN_CLOSE}, {0}},
        {PING_141, {LOGS, BYTES(HEAD "\r\n" ONE "\1\0\0"), THEN_CLOSE}, {0}},
        {PING_141, {LOGS, BYTES(CHUNKED "c\r\n" ONE "\r\n"), THEN_CLOSE}, {0}},
        {PING_141, {LOGS, BYTES(HEAD "Content-Length: 99\r\n\r\n" ONE), THEN_CLOSE}, {0}}};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct heard h = {0};
        struct engine *en = listen_to(scripts[i], &h);
        assert_memory_equal(h.out, "one\n", 4);
        assert_int_equal(h.ends, 1);
        assert_int_equal(h.why.code, ERR_DOCKER);
        over(en);
    }
}

static void what_is_not_framed_is_garbage(void **state)
{
    static const struct kit_answer script[] = {
        PING_141, {LOGS, BYTES(HEAD "\r\n" ONE "hello, world"), THEN_HANG}, {0}};
    struct heard h = {0};
    struct engine *en = listen_to(script, &h);
    assert_string_equal(h.out, "one\n");
    assert_int_equal(h.why.code, ERR_DOCKER);
    assert_non_null(strstr(h.why.msg, "framed"));
    over(en);
}

static void the_logs_of_a_terminal_are_not_framed(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        {LOGS, BYTES(HEAD "Content-Type: application/vnd.docker.raw-stream\r\n\r\nhello"),
         THEN_CLOSE},
        {0}};
    struct heard h = {0};
    struct engine *en = listen_to(script, &h);
    assert_string_equal(h.out, "hello");
    assert_int_equal(h.why.code, ERR_NONE);
    over(en);
}

static void it_may_be_closed_from_inside(void **state)
{
    static const struct kit_answer script[] = {
        PING_141, {LOGS, BYTES(HEAD "\r\n" ONE OH ONE), THEN_CLOSE}, {0}};
    struct heard h = {.close_at_data = true};
    struct engine *en = listen_to(script, &h);
    assert_int_equal(h.datas, 1);
    assert_true(engine_wait(en, 20));
    assert_int_equal(h.datas, 1);
    assert_int_equal(h.ends, 0); /* it was closed by us */
    over(en);
    struct heard i = {.close_at_end = true};
    en = listen_to(script, &i);
    assert_int_equal(i.ends, 1);
    assert_true(engine_wait(en, 20));
    over(en);
}

static void one_that_ended_while_it_was_opened_is_not_waited_for(void **state)
{
    static const struct kit_answer script[] = {
        PING_141, {LOGS, HEAD "Content-Length: 0\r\n\r\n", 0, THEN_HANG}, {0}};
    struct err e = {0};
    struct heard h = {0};
    const struct engine_sink sink = {on_data, on_end, &h};
    kit_start(script);
    struct engine *en = kit_engine();
    h.stream = engine_logs(en, "one", 0, true, &sink, &e);
    assert_non_null(h.stream);
    assert_int_equal(h.ends, 0);
    uint64_t began = engine_now_ms();
    assert_true(engine_wait(en, 20000));
    assert_int_equal(h.ends, 1);
    assert_true(engine_now_ms() - began < 10000);
    over(en);
}

static void a_refused_stream_is_an_error_of_the_call(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        {"*", "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"No such container: one\"}", 0,
         THEN_CLOSE},
        {0}};
    struct err e = {0};
    struct heard h = {0};
    const struct engine_sink sink = {on_data, on_end, &h};
    kit_start(script);
    struct engine *en = kit_engine();
    assert_null(engine_logs(en, "one", 1500000000, true, &sink, &e));
    assert_int_equal(e.code, ERR_CONTAINER_NOT_FOUND);
    assert_non_null(strstr(kit_heard(), "&follow=1&since=1.500000000\n"));
    assert_true(engine_wait(en, 20));
    assert_int_equal(h.ends + h.datas, 0);
    over(en);
}

/* ---- waiting ---- */

static void streams_are_served_while_a_call_waits(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        {LOGS, BYTES(HEAD "\r\n" ONE), THEN_HANG},
        {"GET /v1.41/containers/slow/json", NULL, 0, THEN_HANG},
        {0}};
    struct err e = {0};
    struct heard h = {0};
    const struct engine_sink sink = {on_data, on_end, &h};
    kit_start(script);
    struct engine *en = kit_engine();
    h.stream = engine_logs(en, "one", 0, true, &sink, &e);
    assert_non_null(h.stream);
    en->call_ms = 200;
    assert_null(engine_inspect(en, "slow", &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_string_equal(h.out, "one\n");
    over(en);
}

static void a_wait_lasts_until_a_stream_says_something(void **state)
{
    static const struct kit_answer script[] = {PING_141,
                                               {LOGS, BYTES(HEAD "\r\n" ONE), THEN_HANG},
                                               {"*", JSON_200("{}"), 0, THEN_CLOSE},
                                               {0}};
    struct err e = {0};
    struct heard h = {0};
    const struct engine_sink sink = {on_data, on_end, &h};
    kit_start(script);
    struct engine *en = kit_engine();
    h.stream = engine_logs(en, "one", 0, true, &sink, &e);
    uint64_t began = engine_now_ms();
    assert_true(engine_wait(en, 20000));
    assert_int_equal(h.datas, 1);
    assert_true(engine_now_ms() - began < 10000);
    json_decref(engine_inspect(en, "one", &e)); /* an answer to a call is nothing a stream said */
    began = engine_now_ms();
    assert_true(engine_wait(en, 60));
    assert_true(engine_now_ms() - began >= 60);
    over(en);
}

/* ---- a task is stopped ---- */

enum waits { IN_CALL, IN_HEAD, IN_WAIT, IN_STOP };

struct stopped {
    enum waits where;
    struct err e;
    bool went_on, done;
    atomic_bool there;
};

static void wait_for_ever(struct task *t, void *data)
{
    struct stopped *s = data;
    const struct engine_sink sink = {0};
    struct engine *en = engine_open(kit_host(), t, &s->e);
    if (s->where == IN_CALL)
        s->went_on = engine_inspect(en, "silent", &s->e) != NULL;
    else if (s->where == IN_HEAD)
        s->went_on = engine_logs(en, "silent", 0, true, &sink, &s->e) != NULL;
    else if (s->where == IN_STOP)
        s->went_on = engine_stop(en, "stuck", 1000, &s->e);
    else if (engine_events(en, 0, &sink, &s->e))
        s->went_on = engine_wait(en, 60000);
    engine_close(en);
}

static void on_done(void *data)
{
    ((struct stopped *)data)->done = true;
}

static void a_stop_ends_every_wait(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        {"GET /v1.41/containers/stuck/json",
         JSON_200("{\"State\":{\"Running\":true},\"Config\":{}}"), 0, THEN_CLOSE},
        {"GET /v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D", HEAD "\r\n", 0,
         THEN_HANG},
        {"*", NULL, 0, THEN_HANG},
        {0}};
    for (enum waits where = IN_CALL; where <= IN_STOP; where++) {
        uv_loop_t loop;
        struct stopped s = {.where = where};
        struct err e = {0};
        kit_start(script);
        assert_int_equal(uv_loop_init(&loop), 0);
        struct tasks *ts = tasks_new(&loop, &e);
        struct task *t = task_start(ts, wait_for_ever, on_done, &s, &e);
        assert_non_null(t);
        while (kit_count() < (where == IN_STOP ? 3 : 2)) /* it waits for what never comes */
            (void)poll(NULL, 0, 1);
        uint64_t began = engine_now_ms();
        task_stop(t);
        while (!s.done)
            (void)uv_run(&loop, UV_RUN_ONCE);
        assert_true(engine_now_ms() - began < 5000);
        assert_false(s.went_on);
        if (where != IN_WAIT)
            assert_int_equal(s.e.code, ERR_INTERRUPTED);
        tasks_close(ts, NULL, NULL);
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        kit_stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_is_told_apart_and_a_clean_end_is_one),
        cmocka_unit_test(a_cut_stream_says_so),
        cmocka_unit_test(what_is_not_framed_is_garbage),
        cmocka_unit_test(the_logs_of_a_terminal_are_not_framed),
        cmocka_unit_test(it_may_be_closed_from_inside),
        cmocka_unit_test(one_that_ended_while_it_was_opened_is_not_waited_for),
        cmocka_unit_test(a_refused_stream_is_an_error_of_the_call),
        cmocka_unit_test(streams_are_served_while_a_call_waits),
        cmocka_unit_test(a_wait_lasts_until_a_stream_says_something),
        cmocka_unit_test(a_stop_ends_every_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
