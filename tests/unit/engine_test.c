/* The calls, against a server that does what a real Engine does not do on request. */
#include "docker/engine_internal.h"

#include "engine_kit.h"
#include "limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FORBIDDEN "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope"
#define RUNS "{\"State\":{\"Running\":true},\"Config\":{}}"
#define STOPPED "{\"State\":{\"Running\":false}}"

/* ---- the version ---- */

static void asked_for(const char *api_version, const char *expected)
{
    char ping[256];
    (void)snprintf(ping, sizeof ping, "HTTP/1.1 200 OK\r\n%s%s\r\nContent-Length: 2\r\n\r\nOK",
                   *api_version ? "Api-Version: " : "X: ", api_version);
    const struct kit_answer script[] = {
        {"GET /_ping", ping, 0, THEN_CLOSE}, {"*", JSON_200("[]"), 0, THEN_CLOSE}, {0}};
    struct err e = {0};
    kit_start(script);
    struct engine *en = kit_engine();
    json_t *o = engine_containers(en, false, &e);
    assert_non_null(o);
    json_decref(o);
    assert_string_equal(kit_heard(), expected);
    engine_close(en);
    kit_stop();
}

static void the_version_is_the_engines_and_at_most_ours(void **state)
{
    asked_for("1.41", "GET /_ping\nGET /v1.41/containers/json\n");
    asked_for("1.24", "GET /_ping\nGET /v1.24/containers/json\n");
    asked_for("1.99", "GET /_ping\nGET /v1.47/containers/json\n");
    static const char *const strange[] = {"", "2.0", "1", "x", "1.41x", "1.41/../..", "-1.5"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        asked_for(strange[i], "GET /_ping\nGET /containers/json\n");
}

static void a_proxy_that_forbids_the_ping_is_asked_without_a_version(void **state)
{
    static const struct kit_answer script[] = {
        {"GET /_ping", FORBIDDEN, 0, THEN_CLOSE}, {"*", JSON_200("[]"), 0, THEN_CLOSE}, {0}};
    struct err e = {0};
    kit_start(script);
    struct engine *en = kit_engine();
    json_t *o = engine_containers(en, true, &e);
    assert_non_null(o);
    json_decref(o);
    assert_string_equal(kit_heard(), "GET /_ping\nGET /containers/json?all=1\n");
    engine_close(en);
    kit_stop();
}

/* ---- what a proxy forbids ---- */

enum call { ASK_VERSION, ASK_CONTAINERS, ASK_INSPECT, ASK_VOLUMES, ASK_DISK, ASK_EVENTS, ASK_STOP };

static void make_call(struct engine *en, enum call which, struct err *e)
{
    const struct engine_sink sink = {0};
    switch (which) {
    case ASK_VERSION:
        assert_null(engine_version(en, e));
        return;
    case ASK_CONTAINERS:
        assert_null(engine_containers(en, true, e));
        return;
    case ASK_INSPECT:
        assert_null(engine_inspect(en, "one", e));
        return;
    case ASK_VOLUMES:
        assert_null(engine_volumes(en, e));
        return;
    case ASK_DISK:
        assert_null(engine_disk_usage(en, e));
        return;
    case ASK_EVENTS:
        assert_null(engine_events(en, 0, &sink, e));
        return;
    case ASK_STOP:
        assert_false(engine_stop(en, "one", -1, e));
        return;
    }
}

static void each_refusal_names_the_permission_that_is_missing(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        {"GET /v1.41/containers/two/json", JSON_200(RUNS), 0, THEN_CLOSE},
        {"*", FORBIDDEN, 0, THEN_CLOSE},
        {0}};
    static const struct {
        enum call which;
        const char *name;
    } rows[] = {{ASK_VERSION, "allow VERSION=1 in"},    {ASK_CONTAINERS, "allow CONTAINERS=1 in"},
                {ASK_INSPECT, "allow CONTAINERS=1 in"}, {ASK_VOLUMES, "allow VOLUMES=1 in"},
                {ASK_DISK, "allow SYSTEM=1 in"},        {ASK_EVENTS, "allow EVENTS=1 in"},
                {ASK_STOP, "allow CONTAINERS=1 in"}};
    kit_start(script);
    struct engine *en = kit_engine();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        make_call(en, rows[i].which, &e);
        assert_int_equal(e.code, ERR_DOCKER_PERMISSION);
        assert_non_null(strstr(engine_hint(en), rows[i].name));
    }
    struct err e = {0};
    assert_false(
        engine_stop(en, "two", -1, &e)); /* it may be looked at, so POST is what is missing */
    assert_int_equal(e.code, ERR_DOCKER_PERMISSION);
    assert_non_null(strstr(engine_hint(en), "allow POST=1 in"));
    engine_close(en);
    kit_stop();
}

/* ---- what else an answer may be ---- */

static enum err_code fault_of(const char *bytes, size_t n, enum kit_then then, char *msg)
{
    const struct kit_answer script[] = {PING_141, {"*", bytes, n, then}, {0}};
    struct err e = {0};
    kit_start(script);
    struct engine *en = kit_engine();
    if (then == THEN_HANG)
        en->call_ms = 300;
    assert_null(engine_inspect(en, "one", &e));
    (void)snprintf(msg, sizeof e.msg, "%s", e.msg);
    engine_close(en);
    kit_stop();
    return e.code;
}

static void the_engines_own_words_are_passed_on(void **state)
{
    char msg[512];
    assert_int_equal(fault_of("HTTP/1.1 404 Not Found\r\n\r\n"
                              "{\"message\":\"No such container: one\"}  ",
                              0, THEN_CLOSE, msg),
                     ERR_CONTAINER_NOT_FOUND);
    assert_string_equal(msg, "there is no container one");
    assert_int_equal(fault_of("HTTP/1.1 500 Oh\r\n\r\n"
                              "{\"message\":\"disk full\"}",
                              0, THEN_CLOSE, msg),
                     ERR_DOCKER);
    assert_non_null(strstr(msg, "disk full"));
    assert_int_equal(
        fault_of("HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", 0, THEN_CLOSE, msg),
        ERR_DOCKER);
    assert_non_null(strstr(msg, "proxy"));
}

static void what_is_no_engine_is_seen(void **state)
{
    static const char *const others[] = {
        "SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":\"cut",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "\0\0\0",
        ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char msg[512];
        enum err_code code = fault_of(others[i], i == 7 ? 3 : 0, THEN_CLOSE, msg);
        assert_true(code == ERR_DOCKER || (i == 2 && code == ERR_CONTAINER_NOT_FOUND));
        assert_true(msg[0] != '\0');
    }
}

static void a_silent_server_is_given_up(void **state)
{
    char msg[512];
    assert_int_equal(fault_of(NULL, 0, THEN_HANG, msg), ERR_TIMEOUT);
    assert_non_null(strstr(msg, "/containers/one/json"));
    assert_int_equal(fault_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", 0, THEN_HANG, msg),
                     ERR_TIMEOUT);
}

static void an_answer_too_long_is_refused(void **state)
{
    char *big = malloc(ENGINE_REPLY + 200), msg[512];
    assert_non_null(big);
    int n = snprintf(big, 100, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", ENGINE_REPLY + 1);
    memset(big + n, ' ', ENGINE_REPLY + 1);
    assert_int_equal(fault_of(big, (size_t)n + ENGINE_REPLY + 1, THEN_CLOSE, msg), ERR_DOCKER);
    assert_non_null(strstr(msg, "longer"));
    free(big);
}

static void nobody_there_and_no_permission_are_told_apart(void **state)
{
    struct err e = {0};
    struct engine *en = engine_open("unix:///nonexistent/docker.sock", NULL, &e);
    assert_null(engine_version(en, &e));
    assert_int_equal(e.code, ERR_DOCKER_REFUSED);
    assert_non_null(strstr(engine_hint(en), "DOCKER_HOST"));
    engine_close(en);
    en = engine_open("tcp://127.0.0.1:1", NULL, &e);
    assert_null(engine_version(en, &e));
    assert_int_equal(e.code, ERR_DOCKER_REFUSED);
    engine_close(en);
    en = engine_open("tcp://no-such-host.invalid:2375", NULL, &e);
    assert_null(engine_version(en, &e));
    assert_int_equal(e.code, ERR_DOCKER_REFUSED);
    assert_non_null(strstr(engine_hint(en), "DOCKER_HOST"));
    engine_close(en);
}

/* ---- by tcp ---- */

static void a_name_and_a_port_will_do(void **state)
{
    static const struct kit_answer script[] = {PING_141, {"*", JSON_200("[]"), 0, THEN_CLOSE}, {0}};
    struct err e = {0};
    kit_start_tcp(script);
    struct engine *en = kit_engine();
    assert_true(engine_by_tcp(kit_host()));
    json_t *o = engine_containers(en, false, &e);
    assert_non_null(o);
    json_decref(o);
    engine_close(en);
    kit_stop();
}

static void only_these_forms_of_docker_host_are_taken(void **state)
{
    static const char *const bad[] = {
        "ssh://host",        "unix://relative",      "unix:///",       "tcp://",
        "tcp://a/b",         "tcp://user@host:1",    "tcp://host",     "tcp://host:",
        "tcp://:2375",       "tcp://h:1x",           "tcp://h:123456", "tcp://a:b:1",
        "http://h:1",        "/var/run/docker.sock", "tcp://h:1?x",    "tcp://h 1:2",
        "npipe:////./pipe/x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        assert_false(engine_host_valid(bad[i], &e));
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.field, "DOCKER_HOST");
        assert_null(engine_open(bad[i], NULL, &e));
    }
    static const char *const good[] = {"", "unix:///run/docker.sock", "tcp://proxy:2375",
                                       "tcp://127.0.0.1:2375", "tcp://[::1]:2375"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(engine_host_valid(good[i], NULL));
}

static void a_name_that_is_none_is_not_sent(void **state)
{
    static const struct kit_answer script[] = {PING_141, {0}};
    static const char *const bad[] = {"", "../x", "a/b", "-a", ".a", "a b", "a?b", "a%2fb", "a#"};
    kit_start(script);
    struct engine *en = kit_engine();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        assert_null(engine_inspect(en, bad[i], &e));
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_false(engine_stop(en, bad[i], -1, &e));
    }
    assert_int_equal(kit_count(), 0);
    engine_close(en);
    kit_stop();
}

/* ---- stopping ---- */

static void one_that_does_not_run_is_not_stopped(void **state)
{
    static const struct kit_answer script[] = {
        PING_141, {"*", JSON_200(STOPPED), 0, THEN_CLOSE}, {0}};
    struct err e = {0};
    kit_start(script);
    struct engine *en = kit_engine();
    assert_true(engine_stop(en, "one", -1, &e));
    assert_string_equal(kit_heard(), "GET /_ping\nGET /v1.41/containers/one/json\n");
    engine_close(en);
    kit_stop();
}

static void the_grace_is_the_containers_own_unless_another_is_given(void **state)
{
    static const struct kit_answer script[] = {
        PING_141,
        {"GET /v1.41/containers/one/json", JSON_200(RUNS), 0, THEN_CLOSE},
        {"*", "HTTP/1.1 204 No Content\r\n\r\n", 0, THEN_CLOSE},
        {0}};
    struct err e = {0};
    kit_start(script);
    struct engine *en = kit_engine();
    assert_true(engine_stop(en, "one", -1, &e));
    assert_true(engine_stop(en, "one", 7, &e));
    assert_non_null(strstr(kit_heard(), "POST /v1.41/containers/one/stop\n"));
    assert_non_null(strstr(kit_heard(), "POST /v1.41/containers/one/stop?t=7\n"));
    engine_close(en);
    kit_stop();
}

/* ---- what would leak ---- */

static bool some_fd_would_leak(void)
{
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    bool leaks = false;
    const struct dirent *de;
    while ((de = readdir(d))) {
        int fd = (int)strtol(de->d_name, NULL, 10);
        int flags = fcntl(fd, F_GETFD);
        leaks = leaks || (fd > 2 && flags >= 0 && !(flags & FD_CLOEXEC));
    }
    (void)closedir(d);
    return leaks;
}

static size_t open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    size_t n = 0;
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n;
}

static void no_child_would_inherit_a_descriptor_and_none_stays(void **state)
{
    static const struct kit_answer script[] = {
        PING_141, {"*", "HTTP/1.1 200 OK\r\n\r\n", 0, THEN_HANG}, {0}};
    size_t before = open_fds();
    for (int tcp = 0; tcp < 2; tcp++) {
        struct err e = {0};
        const struct engine_sink sink = {0};
        if (tcp)
            kit_start_tcp(script);
        else
            kit_start(script);
        struct engine *en = kit_engine();
        assert_non_null(engine_events(en, 0, &sink, &e));
        assert_false(some_fd_would_leak());
        engine_close(en);
        kit_stop();
    }
    assert_int_equal(open_fds(), before);
}

int main(void)
{
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_the_engines_and_at_most_ours),
        cmocka_unit_test(a_proxy_that_forbids_the_ping_is_asked_without_a_version),
        cmocka_unit_test(each_refusal_names_the_permission_that_is_missing),
        cmocka_unit_test(the_engines_own_words_are_passed_on),
        cmocka_unit_test(what_is_no_engine_is_seen),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(an_answer_too_long_is_refused),
        cmocka_unit_test(nobody_there_and_no_permission_are_told_apart),
        cmocka_unit_test(a_name_and_a_port_will_do),
        cmocka_unit_test(only_these_forms_of_docker_host_are_taken),
        cmocka_unit_test(a_name_that_is_none_is_not_sent),
        cmocka_unit_test(one_that_does_not_run_is_not_stopped),
        cmocka_unit_test(the_grace_is_the_containers_own_unless_another_is_given),
        cmocka_unit_test(no_child_would_inherit_a_descriptor_and_none_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
