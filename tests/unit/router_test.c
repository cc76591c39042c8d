#include "api_kit.h"

#include "api/match.h"
#include "api/ratelimit.h"
#include "api/route.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *json_word(const char *answer, const char *key)
{
    static char word[512];
    struct err e = {0};
    const char *body = body_of(answer);
    json_t *j = json_parse(body, strlen(body), &e);
    assert_non_null(j);
    (void)snprintf(word, sizeof word, "%s", json_get_str(j, key, ""));
    json_decref(j);
    return word;
}

static void a_path_means_its_row_whole_and_literally(void **state)
{
    static const struct {
        const char *path, *operation;
    } rows[] = {{"/", "root"},
                {"/jobs", "jobs"},
                {"/jobs/create:1", "job"},
                {"/jobs/create:1/log", "job-log"},
                {"/jobs/", NULL},
                {"/jobs//log", NULL},
                {"//", NULL},
                {"/jobs/a/b", NULL},
                {"/job", NULL},
                {"/jobsx", NULL},
                {"/Jobs", NULL},
                {"/%6Aobs", NULL},
                {"", NULL},
                {"*", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct call c = {0};
        unsigned allowed;
        const struct route *r =
            route_match(routes, route_count, HTTP_M_GET, rows[i].path, &c, &allowed);
        assert_int_equal(r != NULL, rows[i].operation != NULL);
        if (r)
            assert_string_equal(r->operation, rows[i].operation);
        assert_int_equal(allowed, 0);
    }
}

static void every_row_is_whole_and_no_two_are_the_same(void **state)
{
    for (size_t i = 0; i < route_count; i++) {
        const struct route *r = &routes[i];
        assert_non_null(r->handler);
        assert_true(r->summary && *r->summary && *r->operation && *r->pattern == '/');
        if (r->method != HTTP_M_GET)
            assert_int_not_equal(r->access, ACCESS_PUBLIC);
        size_t in_path = 0, braces = 0;
        for (const struct param *p = r->params; p && p->name; p++)
            in_path += p->in == PARAM_PATH;
        for (const char *p = r->pattern; *p; p++)
            braces += *p == '{';
        assert_int_equal(in_path, braces);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(r->operation, routes[k].operation);
            assert_true(r->method != routes[k].method ||
                        strcmp(r->pattern, routes[k].pattern) != 0);
        }
    }
}

static void an_unknown_path_is_404_as_json_with_the_usual_headers(void **state)
{
    const char *a = ask("GET /nowhere", "X-Request-Id: mine-1\r\n", "");
    assert_int_equal(status_of(a), 404);
    assert_string_equal(field(a, "Content-Type"), "application/json; charset=utf-8");
    assert_string_equal(field(a, "Cache-Control"), "no-store");
    assert_string_equal(field(a, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(field(a, "X-Frame-Options"), "DENY");
    assert_string_equal(field(a, "X-Request-Id"), "mine-1");
    assert_string_equal(json_word(a, "error"), "not_found");
    assert_string_equal(json_word(a, "request_id"), "mine-1");
}

static void another_method_is_405_and_options_needs_no_token(void **state)
{
    const char *a = ask("POST /jobs", KIT_WRITE, "");
    assert_int_equal(status_of(a), 405);
    assert_string_equal(field(a, "Allow"), "GET, HEAD, OPTIONS");
    assert_string_equal(json_word(a, "error"), "method_not_allowed");
    a = ask("OPTIONS /jobs/create:1", "", "");
    assert_int_equal(status_of(a), 204);
    assert_string_equal(field(a, "Allow"), "GET, HEAD, DELETE, OPTIONS");
    assert_int_equal(status_of(ask("OPTIONS /nowhere", "", "")), 404);
    assert_int_equal(status_of(ask("OPTIONS *", "", "")), 204);
}

static void head_is_get_without_the_body(void **state)
{
    char length[32];
    const char *a = ask("GET /jobs", KIT_READ, "");
    (void)snprintf(length, sizeof length, "%s", field(a, "Content-Length"));
    a = ask("HEAD /jobs", KIT_READ, "");
    assert_int_equal(status_of(a), 200);
    assert_string_equal(field(a, "Content-Length"), length);
    assert_string_equal(body_of(a), "");
}

static void who_may_not_is_told_which_of_the_ways(void **state)
{
    const char *a = ask("GET /jobs", "", "");
    assert_int_equal(status_of(a), 401);
    assert_string_equal(field(a, "WWW-Authenticate"), "Bearer realm=\"borgmatic-api\"");
    a = ask("GET /jobs", "Authorization: Bearer x\r\nX-From-NodeRed: BorgmaticAPI\r\n", "");
    assert_int_equal(status_of(a), 401);
    assert_non_null(strstr(field(a, "WWW-Authenticate"), "error=\"invalid_token\""));
    a = ask("GET /jobs", "Authorization: Bearer read-token-00001\r\n", "");
    assert_int_equal(status_of(a), 401);
    a = ask("POST /create-backup", KIT_READ, "{}");
    assert_int_equal(status_of(a), 403);
    assert_string_equal(json_word(a, "error"), "insufficient_role");
    a = ask("GET /metrics", "Authorization: Bearer read-token-00001\r\n", "");
    assert_int_equal(status_of(a), 200);
}

static void a_stranger_learns_only_that_it_is_there(void **state)
{
    assert_string_equal(body_of(ask("GET /", "", "")),
                        "{\"ok\":true,\"message\":\"Borgmatic API is alive\"}");
    assert_non_null(strstr(body_of(ask("GET /", KIT_READ, "")), "\"uptime\""));
    assert_string_equal(body_of(ask("GET /health/public", "", "")),
                        "{\"ok\":true,\"status\":\"healthy\"}");
}

static void a_limited_route_tells_its_limit_and_stops_at_it(void **state)
{
    for (int i = 4; i >= 0; i--) {
        char left[64];
        const char *a = ask("POST /create-backup", KIT_WRITE, "{}");
        assert_int_equal(status_of(a), 400);
        (void)snprintf(left, sizeof left, "\"create-backup\";r=%d;t=60", i);
        assert_string_equal(field(a, "RateLimit"), left);
        assert_string_equal(field(a, "RateLimit-Policy"), "\"create-backup\";q=5;w=60");
    }
    const char *a = ask("POST /create-backup", KIT_WRITE, "{}");
    assert_int_equal(status_of(a), 429);
    assert_string_equal(json_word(a, "error"), "rate_limited");
    assert_string_equal(json_word(a, "message"), "too many requests");
    assert_non_null(field(a, "Retry-After"));
    assert_int_equal(status_of(ask("POST /create-backup/dry-run", KIT_WRITE, "{}")), 400);
    assert_int_equal(ratelimit_blocked(api.ratelimit), 1);
}

static void faults_of_a_request_come_with_their_fields(void **state)
{
    const char *a = ask("POST /create-backup", KIT_WRITE,
                        "{\"stats\":\"true\",\"borg_passphrase\":\"hidden-one\",\"tiemout\":1}");
    assert_int_equal(status_of(a), 400);
    assert_string_equal(json_word(a, "error"), "bad_request");
    assert_non_null(strstr(a, "\"field\":\"stats\""));
    assert_non_null(strstr(a, "\"field\":\"repository\""));
    assert_non_null(strstr(a, "did you mean \\\"timeout\\\"?"));
    assert_null(strstr(a, "hidden-one"));
    a = ask("POST /create-backup", KIT_WRITE, "{\"repository\":");
    assert_int_equal(status_of(a), 400);
    assert_string_equal(json_word(a, "error"), "invalid_json");
    a = ask("POST /create-backup", KIT_WRITE "Content-Type: application/xml\r\n", "<a/>");
    assert_int_equal(status_of(a), 415);
    assert_int_equal(status_of(ask("GET /jobs?limit=0", KIT_READ, "")), 400);
    assert_int_equal(status_of(ask("GET /jobs?nonsense=1", KIT_READ, "")), 400);
    assert_int_equal(status_of(ask("GET /jobs?state=gone", KIT_READ, "")), 400);
    assert_int_equal(status_of(ask("GET /jobs/a%00b", KIT_READ, "")), 400);
    assert_int_equal(status_of(ask("GET /status?nocache=1", KIT_READ, "")), 200);
}

static void going_down_refuses_what_starts_a_job_and_nothing_else(void **state)
{
    api.draining = true;
    const char *a = ask("POST /create-backup", KIT_WRITE, "{}");
    assert_int_equal(status_of(a), 503);
    assert_string_equal(json_word(a, "error"), "draining");
    assert_non_null(field(a, "Retry-After"));
    assert_int_equal(status_of(ask("GET /jobs", KIT_READ, "")), 200);
    a = ask("GET /ready", KIT_READ, "");
    assert_int_equal(status_of(a), 503);
    assert_non_null(strstr(a, "\"ready\":false"));
}

static void the_addresses_handed_out_take_their_host_from_sound_headers_alone(void **state)
{
    struct job *j = job_begin("create", "prod", false);
    char line[160];
    (void)snprintf(line, sizeof line, "GET /jobs/%s", job_id(j));
    assert_non_null(strstr(ask(line, KIT_READ, ""), "\"sse\":\"http://127.0.0.1:5000/events/"));
    static char base[] = "https://backup.example/api";
    char *unset = settings.sse_base_url;
    settings.sse_base_url = base;
    assert_non_null(
        strstr(ask(line, KIT_READ, ""), "\"poll\":\"https://backup.example/api/events/"));
    settings.sse_base_url = unset;
    char request[512];
    (void)snprintf(request, sizeof request,
                   "%s HTTP/1.1\r\nHost: evil\"host/x\r\nConnection: close\r\n" KIT_READ "\r\n",
                   line);
    int fd = client_open();
    client_send(fd, request);
    (void)client_ended(fd);
    client_close(fd);
    job_finish(j, JOB_SUCCEEDED);
}

#define WITH_API(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_means_its_row_whole_and_literally),
        cmocka_unit_test(every_row_is_whole_and_no_two_are_the_same),
        WITH_API(an_unknown_path_is_404_as_json_with_the_usual_headers),
        WITH_API(another_method_is_405_and_options_needs_no_token),
        WITH_API(head_is_get_without_the_body),
        WITH_API(who_may_not_is_told_which_of_the_ways),
        WITH_API(a_stranger_learns_only_that_it_is_there),
        WITH_API(a_limited_route_tells_its_limit_and_stops_at_it),
        WITH_API(faults_of_a_request_come_with_their_fields),
        WITH_API(going_down_refuses_what_starts_a_job_and_nothing_else),
        WITH_API(the_addresses_handed_out_take_their_host_from_sound_headers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
