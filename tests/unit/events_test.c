#include "api_kit.h"

#include "api/auth.h"
#include "api/feed.h"
#include "api/handlers/log.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char line[512];

/* "METHOD <before><job's id><after>" */
static const char *about(const char *before, const struct job *j, const char *after)
{
    (void)snprintf(line, sizeof line, "%s%s%s", before, job_id(j), after);
    return line;
}

static int open_stream(const char *target, const char *headers)
{
    static char request[2048];
    int fd = client_open();
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", target,
                   headers);
    client_send(fd, request);
    return fd;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void a_stream_replays_goes_live_and_ends_with_the_job(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    job_says(j, "before");
    int fd = open_stream(about("/events/stream?job_id=", j, ""), KIT_READ);
    const char *a = client_wait(fd, "before");
    assert_int_equal(status_of(a), 200);
    assert_string_equal(field(a, "Content-Type"), "text/event-stream; charset=utf-8");
    assert_string_equal(field(a, "X-Accel-Buffering"), "no");
    assert_string_equal(field(a, "Cache-Control"), "no-cache");
    assert_non_null(strstr(a, "retry: "));
    assert_non_null(strstr(a, "id: 2\nevent: stdout\ndata: {\"id\":2,"));
    job_says(j, "after");
    (void)client_wait(fd, "after");
    job_finish(j, JOB_SUCCEEDED);
    a = client_wait(fd, "\r\n0\r\n\r\n");
    assert_int_equal(count(a, "\\\"state\\\":\\\"succeeded\\\""), 1);
    char last[64];
    (void)snprintf(last, sizeof last, "id: %llu\n\n", (unsigned long long)job_last_event(j));
    assert_non_null(strstr(a, last));
    client_close(fd);
    assert_int_equal(feeds_count(api.feeds), 0);
}

static void who_comes_back_gets_what_follows_and_at_the_end_204(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    for (int i = 0; i < 5; i++)
        job_says(j, "line");
    job_finish(j, JOB_FAILED);
    char headers[256];
    (void)snprintf(headers, sizeof headers, KIT_READ "Last-Event-ID: 4\r\n");
    const char *a = ask(about("GET /events/stream?cursor=0&job_id=", j, ""), headers, "");
    assert_null(strstr(a, "id: 4\n"));
    assert_non_null(strstr(a, "id: 5\n"));
    a = ask(about("GET /events/stream?cursor=4&job_id=", j, ""), KIT_READ, "");
    assert_null(strstr(a, "id: 3\n"));
    assert_non_null(strstr(a, "id: 4\n"));
    a = ask(about("GET /events/stream?kinds=stage&job_id=", j, ""), KIT_READ, "");
    assert_null(strstr(a, "event: stdout"));
    assert_int_equal(count(a, "event: status"), 1); /* the terminal one */
    (void)snprintf(headers, sizeof headers, KIT_READ "Last-Event-ID: %llu\r\n",
                   (unsigned long long)job_last_event(j));
    assert_int_equal(status_of(ask(about("GET /events/stream?job_id=", j, ""), headers, "")), 204);
    assert_int_equal(status_of(ask(about("GET /events/stream?job_id=", j, ""),
                                   KIT_READ "Last-Event-ID: x\r\n", "")),
                     400);
    assert_int_equal(status_of(ask("GET /events/stream?job_id=create:1", KIT_READ, "")), 404);
}

static void a_ticket_opens_its_stream_from_anywhere_until_an_hour_after(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    char ticket[AUTH_TICKET], target[256];
    auth_ticket(api.auth, job_id(j), ticket);
    job_finish(j, JOB_SUCCEEDED);
    (void)snprintf(target, sizeof target, "GET /events/stream?job_id=%s&ticket=%s", job_id(j),
                   ticket);
    const char *a = ask(target, "Origin: http://elsewhere\r\n", "");
    assert_int_equal(status_of(a), 200);
    assert_string_equal(field(a, "Access-Control-Allow-Origin"), "*");
    ticket[3] = ticket[3] == 'A' ? 'B' : 'A';
    (void)snprintf(target, sizeof target, "GET /events/stream?job_id=%s&ticket=%s", job_id(j),
                   ticket);
    a = ask(target, "", "");
    assert_int_equal(status_of(a), 401);
    assert_null(field(a, "Access-Control-Allow-Origin"));
    (void)snprintf(target, sizeof target, "GET /jobs/%s?ticket=%s", job_id(j), ticket);
    assert_int_equal(status_of(ask(target, "", "")), 401);
}

static void kept(void *arg, bool ok, const struct err *e)
{
    *(bool *)arg = ok;
}

static void a_ticket_does_not_outlive_its_job_by_more_than_an_hour(void **state)
{
    bool there = false;
    char ticket[AUTH_TICKET], target[256];
    const struct store_job row = {.id = "create:5",
                                  .kind = "create",
                                  .state = "succeeded",
                                  .queued_ms = 1,
                                  .ended_ms = 1000,
                                  .terminal = true,
                                  .record = "{}"};
    store_job_create(api.store, &row, 1, kept, &there);
    while (!there)
        turn(5);
    auth_ticket(api.auth, "create:5", ticket);
    (void)snprintf(target, sizeof target, "GET /events/stream?job_id=create:5&ticket=%s", ticket);
    assert_int_equal(status_of(ask(target, "", "")), 401);
    assert_int_equal(status_of(ask("GET /jobs/create:5", KIT_READ, "")), 200);
}

static void events_larger_than_a_piece_reach_a_slow_client_whole(void **state)
{
    enum { LINES = 60, LENGTH = 200000 };
    static char text[LENGTH + 1];
    struct job *j = job_begin("create", "prod", false);
    memset(text, 'Q', LENGTH);
    for (int i = 0; i < LINES; i++) { /* more than any socket takes at once */
        job_says(j, text);
        turn(10);
    }
    job_finish(j, JOB_SUCCEEDED);
    client_buffer = 128 * 1024;
    int fd = open_stream(about("/events/stream?job_id=", j, ""), KIT_READ);
    turn(100);
    const char *a = client_wait(fd, "\r\n0\r\n\r\n");
    size_t n = 0;
    for (const char *p = a; *p; p++)
        n += *p == 'Q';
    assert_int_equal(n, (size_t)LINES * LENGTH);
    client_close(fd);
}

static void silence_is_broken_by_heartbeats_without_an_id(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    int fd = open_stream(about("/events/stream?job_id=", j, ""), KIT_READ);
    const char *a = client_wait(fd, "event: heartbeat\ndata: {\"t\":");
    assert_null(strstr(strstr(a, "event: heartbeat"), "id: "));
    client_close(fd);
    turn(50);
    assert_int_equal(feeds_count(api.feeds), 0);
    job_finish(j, JOB_SUCCEEDED);
}

static void the_stream_of_all_jobs_names_the_job_and_goes_on(void **state)
{
    int fd = open_stream("/events/stream", KIT_READ);
    (void)client_wait(fd, "retry: ");
    struct job *a = job_begin("create", "one", false), *b = job_begin("check", "two", false);
    job_says(b, "hello");
    char want[200];
    (void)snprintf(want, sizeof want, "{\"job_id\":\"%s\",\"id\":2,", job_id(b));
    (void)client_wait(fd, want);
    job_finish(a, JOB_SUCCEEDED);
    job_finish(b, JOB_FAILED);
    (void)client_wait(fd, "\\\"state\\\":\\\"failed\\\"");
    assert_int_equal(feeds_count(api.feeds), 1);
    feeds_stop(api.feeds);
    (void)client_wait(fd, "\r\n0\r\n\r\n");
    client_close(fd);
    assert_int_equal(status_of(ask("GET /events/stream", KIT_READ, "")), 503);
}

static void a_long_replay_is_whole_for_a_slow_client(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    static char text[8000];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 400; i++)
        job_says(j, text);
    job_finish(j, JOB_SUCCEEDED);
    client_buffer = 128 * 1024;
    int fd = open_stream(about("/events/stream?job_id=", j, ""), KIT_READ);
    turn(100); /* it does not read meanwhile */
    const char *a = client_wait(fd, "\r\n0\r\n\r\n");
    assert_int_equal(count(a, "event: stdout"), 400);
    client_close(fd);
}

static void a_poll_goes_by_cursor_and_says_when_all_was_said(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    for (int i = 0; i < 250; i++)
        job_says(j, "line");
    const char *a = ask(about("GET /events/poll/", j, ""), KIT_READ, "");
    assert_int_equal(status_of(a), 200);
    assert_int_equal(count(a, "\"kind\":"), 200);
    assert_non_null(strstr(a, "\"cursor\":200,\"ended\":false}"));
    a = ask(about("GET /events/poll/", j, "?cursor=200"), KIT_READ, "");
    assert_int_equal(count(a, "\"kind\":"), 52);
    assert_non_null(strstr(a, "\"cursor\":252,\"ended\":false}"));
    a = ask(about("GET /events/poll/", j, "?cursor=252"), KIT_READ, "");
    assert_non_null(strstr(a, "{\"ok\":true,\"items\":[],\"cursor\":252,\"ended\":false}"));
    job_finish(j, JOB_SUCCEEDED);
    a = ask(about("GET /events/poll/", j, "?cursor=252&wait=60"), KIT_READ, "");
    assert_int_equal(count(a, "\"kind\":"), 1);
    assert_non_null(strstr(a, "\"ended\":true}"));
    a = ask(about("GET /events/poll/", j, "?cursor=9999&wait=60"), KIT_READ, "");
    assert_non_null(strstr(a, "\"items\":[]"));
    assert_int_equal(status_of(ask("GET /events/poll/none:1", KIT_READ, "")), 404);
}

static void a_long_poll_answers_with_the_first_event_or_after_its_time(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    int fd = open_stream(about("/events/poll/", j, "?cursor=2&wait=30"), KIT_READ);
    turn(60);
    job_says(j, "at last");
    assert_non_null(strstr(client_wait(fd, "at last"), "\"cursor\":3"));
    client_close(fd);
    fd = open_stream(about("/events/poll/", j, "?cursor=3&wait=1"), KIT_READ);
    (void)client_wait(fd, "\"items\":[],\"cursor\":3");
    client_close(fd);
    fd = open_stream(about("/events/poll/", j, "?cursor=3&wait=30"), KIT_READ);
    turn(30);
    client_close(fd); /* nobody is there to be answered */
    job_finish(j, JOB_SUCCEEDED);
}

static void the_log_is_text_and_goes_by_bytes(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    job_says(j, "one \"quoted\" \\ back");
    job_says(j, "t\xC3\xA9xt");
    const char *whole = "one \"quoted\" \\ back\nt\xC3\xA9xt\n";
    const char *a = ask(about("GET /jobs/", j, "/log"), KIT_READ, "");
    assert_string_equal(field(a, "Content-Type"), "text/plain; charset=utf-8");
    assert_non_null(strstr(a, "one \"quoted\" \\ back\nt\xC3\xA9xt\n"));
    job_finish(j, JOB_SUCCEEDED);
    for (size_t at = 0; at <= strlen(whole); at += 5) {
        char query[64], want[64];
        (void)snprintf(query, sizeof query, "/log?offset=%zu&limit=5", at);
        (void)snprintf(want, sizeof want, "%.5s", whole + at);
        a = ask(about("GET /jobs/", j, query), KIT_READ, "");
        assert_int_equal(status_of(a), 200);
        const char *body = strstr(body_of(a), "\r\n");
        if (*want)
            assert_memory_equal(body + 2, want, strlen(want));
    }
    a = ask(about("GET /jobs/", j, "/log?limit=0"), KIT_READ, "");
    assert_int_equal(status_of(a), 200);
    assert_string_equal(body_of(a), "");
}

static void escapes_of_an_event_become_their_characters(void **state)
{
    static const char json[] = "{\"id\":1,\"t\":1.5,\"kind\":\"stdout\",\"line\":"
                               "\"a\\\"b\\\\c\\n\\r\\t\\u001b\\u007fz\",\"data\":{}}";
    struct event ev = {.kind = EVENT_STDOUT, .json = json, .json_len = sizeof json - 1};
    struct buf b;
    buf_init(&b, 1000);
    assert_true(log_line(&ev, &b));
    assert_string_equal(buf_str(&b), "a\"b\\c\n\r\t\x1b\x7fz\n");
    buf_done(&b);
}

static void jobs_are_listed_shown_and_cancelled(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    const char *a = ask("GET /jobs?state=running&label=prod&kind=create&limit=1", KIT_READ, "");
    assert_non_null(strstr(a, job_id(j)));
    assert_non_null(strstr(a, "\"cursor\":"));
    assert_non_null(strstr(ask("GET /jobs?state=failed", KIT_READ, ""), "\"jobs\":[]"));
    a = ask(about("GET /jobs/", j, ""), KIT_READ, "");
    assert_non_null(strstr(a, "\"job\":{\"id\":"));
    assert_non_null(strstr(a, "\"sse\":"));
    assert_int_equal(status_of(ask(about("DELETE /jobs/", j, ""), KIT_READ, "")), 403);
    a = ask(about("DELETE /jobs/", j, ""), KIT_WRITE, "");
    assert_int_equal(status_of(a), 202);
    assert_true(job_was_stopped(j));
    turn(50);
    a = ask(about("DELETE /jobs/", j, ""), KIT_WRITE, "");
    assert_int_equal(status_of(a), 409);
    assert_non_null(strstr(a, "\"error\":\"job_ended\""));
    assert_non_null(strstr(a, "\"job_id\":"));
    assert_int_equal(status_of(ask("DELETE /jobs/create:1", KIT_WRITE, "")), 404);
}

#define WITH_API(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_API(a_stream_replays_goes_live_and_ends_with_the_job),
        WITH_API(who_comes_back_gets_what_follows_and_at_the_end_204),
        WITH_API(a_ticket_opens_its_stream_from_anywhere_until_an_hour_after),
        WITH_API(a_ticket_does_not_outlive_its_job_by_more_than_an_hour),
        WITH_API(events_larger_than_a_piece_reach_a_slow_client_whole),
        WITH_API(silence_is_broken_by_heartbeats_without_an_id),
        WITH_API(the_stream_of_all_jobs_names_the_job_and_goes_on),
        WITH_API(a_long_replay_is_whole_for_a_slow_client),
        WITH_API(a_poll_goes_by_cursor_and_says_when_all_was_said),
        WITH_API(a_long_poll_answers_with_the_first_event_or_after_its_time),
        WITH_API(the_log_is_text_and_goes_by_bytes),
        cmocka_unit_test(escapes_of_an_event_become_their_characters),
        WITH_API(jobs_are_listed_shown_and_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
