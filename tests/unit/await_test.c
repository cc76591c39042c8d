#include "api_kit.h"

#include "api/idempotency.h"
#include "base/mem.h"
#include "jobs/job.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct job *awaited;
static int wait_s;

static void awaits(struct call *c)
{
    call_await_job(c, awaited, wait_s);
}

static int post(const char *headers)
{
    char request[1024];
    int fd = client_open();
    (void)snprintf(request, sizeof request,
                   "POST /test HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n%s\r\n", headers);
    client_send(fd, request);
    return fd;
}

static int begin(const char *kind, bool reading)
{
    awaited = job_begin(kind, "prod", reading);
    test_handler = awaits;
    wait_s = 0;
    int fd = post("");
    turn(30);
    return fd;
}

static void the_answer_comes_when_the_job_has_ended_and_says_how(void **state)
{
    int fd = begin("create", false);
    job_finish(awaited, JOB_WARNING);
    const char *a = client_wait(fd, "}}");
    assert_int_equal(status_of(a), 200);
    assert_non_null(strstr(a, "{\"ok\":true,\"job_id\":\"create:"));
    assert_non_null(strstr(a, "\"state\":\"warning\",\"returncode\":0,\"stdout\":\"out\""));
    client_close(fd);
    fd = begin("create", false);
    job_finish(awaited, JOB_FAILED);
    a = client_wait(fd, "}}");
    assert_int_equal(status_of(a), 502);
    assert_non_null(
        strstr(a, "{\"ok\":false,\"error\":\"backup_failed\",\"message\":\"it went wrong\""));
    assert_non_null(strstr(a, "\"returncode\":2,\"stdout\":\"out\",\"stderr\":\"err\""));
    assert_non_null(strstr(a, "\"job_id\":\"create:"));
    client_close(fd);
    assert_null(api.awaits);
}

static void a_job_that_has_ended_is_answered_at_once(void **state)
{
    awaited = job_begin("create", "prod", false);
    job_finish(awaited, JOB_SUCCEEDED);
    test_handler = awaits;
    assert_int_equal(status_of(ask("POST /test", "", "")), 200);
}

static void past_its_time_the_answer_is_202_and_the_job_goes_on(void **state)
{
    awaited = job_begin("create", "prod", false);
    test_handler = awaits;
    wait_s = 1;
    const char *a = ask("POST /test", "", "");
    assert_int_equal(status_of(a), 202);
    assert_non_null(strstr(field(a, "Location"), "/jobs/create:"));
    assert_non_null(strstr(a, "\"state\":\"running\""));
    assert_non_null(strstr(a, "\"sse\":"));
    assert_null(api.awaits);
    job_finish(awaited, JOB_SUCCEEDED);
}

static void a_client_that_goes_ends_a_reading_job_that_nobody_else_waits_for(void **state)
{
    int one = begin("list", true), two = post("");
    turn(30);
    client_close(one);
    assert_false(job_was_stopped(awaited));
    client_close(two);
    turn(30);
    assert_true(job_was_stopped(awaited));
    assert_null(api.awaits);
}

static void a_client_that_goes_leaves_a_writing_job_alone(void **state)
{
    int fd = begin("create", false);
    client_close(fd);
    turn(30);
    assert_false(job_was_stopped(awaited));
    assert_null(api.awaits);
    job_finish(awaited, JOB_SUCCEEDED);
}

/* ---- Idempotency-Key ---- */

static int runs;
static struct call *held;

static void answer_made(void *arg, struct job *j, const struct err *e)
{
    call_job_started(arg, 200, j);
}

static enum job_state ends_as = JOB_SUCCEEDED;

static void no_start(struct job *j, void *work)
{
    job_end(j, &(struct job_outcome){.state = ends_as, .exit_code = 0, .sentence = "so it ended"});
}

static void no_free(void *work)
{
}

static void make_job(struct call *c)
{
    static const struct job_ops ops = {.start = no_start, .free = no_free};
    static char work;
    const struct job_spec spec = {.kind = "create",
                                  .role = "write",
                                  .address = "test",
                                  .params_json = "{}",
                                  .idem_key = c->idempotency_key,
                                  .idem_fingerprint = call_fingerprint(c),
                                  .ops = &ops,
                                  .work = &work};
    struct err e = {0};
    char other[128];
    runs++;
    assert_true(jobs_create(api.jobs, &spec, answer_made, c, other, sizeof other, &e));
}

static void once(struct call *c)
{
    call_idempotent(c, make_job);
}

static void hold(struct call *c)
{
    held = c;
}

static void once_held(struct call *c)
{
    call_idempotent(c, hold);
}

static void the_same_key_and_request_is_the_same_job(void **state)
{
    char id[64];
    runs = 0;
    test_handler = once;
    const char *a =
        ask("POST /test", "Idempotency-Key: k1\r\n", "{\"n\":1,\"hidden\":\"a secret\"}");
    assert_int_equal(status_of(a), 200);
    assert_null(field(a, "Idempotency-Replayed"));
    (void)snprintf(id, sizeof id, "%.22s", strstr(a, "create:"));
    a = ask("POST /test", "Idempotency-Key: \"k1\"\r\n", "{\"n\":1,\"hidden\":\"other secret\"}");
    assert_int_equal(status_of(a), 200);
    assert_string_equal(field(a, "Idempotency-Replayed"), "true");
    assert_non_null(strstr(a, id));
    assert_int_equal(runs, 1);
    a = ask("POST /test", "Idempotency-Key: k1\r\n", "{\"n\":2}");
    assert_int_equal(status_of(a), 422);
    assert_non_null(strstr(a, "idempotency_key_reused"));
    assert_int_equal(status_of(ask("POST /test", "Idempotency-Key: k2\r\n", "{\"n\":2}")), 200);
    assert_int_equal(status_of(ask("POST /test", "", "{\"n\":2}")), 200);
    assert_int_equal(runs, 3);
    assert_int_equal(status_of(ask("POST /test", "Idempotency-Key: a b\r\n", "{}")), 400);
}

static void a_key_whose_request_is_in_hand_is_409(void **state)
{
    test_handler = once_held;
    held = NULL;
    int fd = post("Idempotency-Key: k9\r\n");
    while (!held)
        turn(5);
    const char *a = ask("POST /test", "Idempotency-Key: k9\r\n", "");
    assert_int_equal(status_of(a), 409);
    assert_non_null(strstr(a, "request_in_flight"));
    struct err e = {0};
    (void)err_set(&e, ERR_NOT_FOUND, "no such thing");
    call_error(held, &e);
    client_close(fd);
    assert_null(api.idem);
    test_handler = once; /* the first one made nothing: it may be tried again */
    assert_int_equal(status_of(ask("POST /test", "Idempotency-Key: k9\r\n", "")), 200);
}

static void forget_all_jobs(void)
{
    for (int i = 0; i <= LIMIT_JOBS_RECENT; i++)
        job_finish(job_begin("other", NULL, false), JOB_SUCCEEDED);
}

static void a_failed_job_that_only_the_store_has_is_no_success_when_replayed(void **state)
{
    test_handler = once;
    ends_as = JOB_FAILED;
    (void)ask("POST /test", "Idempotency-Key: k1\r\n", "");
    ends_as = JOB_SUCCEEDED;
    (void)ask("POST /test", "Idempotency-Key: k2\r\n", "");
    forget_all_jobs();
    test_awaited = true;
    const char *a = ask("POST /test", "Idempotency-Key: k1\r\n", "");
    assert_int_equal(status_of(a), 502);
    assert_non_null(
        strstr(a, "{\"ok\":false,\"error\":\"command_failed\",\"message\":\"so it ended\""));
    assert_non_null(strstr(a, "\"job\":{\"id\":\"create:"));
    a = ask("POST /test", "Idempotency-Key: k2\r\n", "");
    assert_int_equal(status_of(a), 200);
    assert_non_null(strstr(a, "\"state\":\"succeeded\""));
}

#define WITH_API(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_API(the_answer_comes_when_the_job_has_ended_and_says_how),
        WITH_API(a_job_that_has_ended_is_answered_at_once),
        WITH_API(past_its_time_the_answer_is_202_and_the_job_goes_on),
        WITH_API(a_client_that_goes_ends_a_reading_job_that_nobody_else_waits_for),
        WITH_API(a_client_that_goes_leaves_a_writing_job_alone),
        WITH_API(the_same_key_and_request_is_the_same_job),
        WITH_API(a_key_whose_request_is_in_hand_is_409),
        WITH_API(a_failed_job_that_only_the_store_has_is_no_success_when_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
