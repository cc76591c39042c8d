#include "docker/version_probe.h"

#include "http/http.h"

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

/* An HTTP server of our own stands where the Engine would. */
struct scene {
    uv_loop_t loop;
    struct http_server *server;
    struct httpc *calls;
    struct version_probe *engine;
    char path[64];
    int status;
    const char *body;
    bool saw_open_fd;
    bool done;
    char version[128];
    struct err err;
};

static void on_head(void *app, struct http_req *req)
{
}

/* Every descriptor of this process but the first three must be close-on-exec, curl's too. */
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

static void on_request(void *app, struct http_req *req)
{
    struct scene *s = app;
    assert_string_equal(req->path, "/version");
    s->saw_open_fd = some_fd_would_leak();
    struct buf b;
    buf_init(&b, 1 << 20);
    (void)buf_puts(&b, s->body);
    http_reply(req, s->status, "application/json", &b);
}

static void on_error(void *app, const struct http_req *req, const struct err *e,
                     const char *request_id, struct buf *body)
{
}

static void on_answered(void *app, const struct http_req *req, int status, const char *request_id,
                        uint64_t bytes_out)
{
}

static const struct http_callbacks callbacks = {on_head, on_request, on_error, on_answered};

static void on_version(void *arg, const char *version, const struct err *e)
{
    struct scene *s = arg;
    assert_false(s->done);
    s->done = true;
    if (version)
        (void)snprintf(s->version, sizeof s->version, "%s", version);
    if (e)
        s->err = *e;
}

static void begin(struct scene *s, bool listen)
{
    struct err e = {0};
    memset(s, 0, sizeof *s);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    const struct http_settings set = {0};
    s->server = http_server_new(&s->loop, &callbacks, s, &set, &e);
    assert_non_null(s->server);
    (void)snprintf(s->path, sizeof s->path, "/tmp/engine_test.%d", getpid());
    if (listen)
        assert_true(http_listen_unix(s->server, s->path, &e));
    s->calls = httpc_new(&s->loop, &e);
    char host[96];
    (void)snprintf(host, sizeof host, "unix://%s", s->path);
    s->engine = version_probe_new(s->calls, host, &e);
    assert_non_null(s->engine);
}

static void ask(struct scene *s)
{
    struct err e = {0};
    assert_true(version_probe_ask(s->engine, on_version, s, &e));
    while (!s->done)
        (void)uv_run(&s->loop, UV_RUN_ONCE);
}

static void on_closed(void *arg)
{
}

static void end(struct scene *s)
{
    version_probe_free(s->engine);
    httpc_close(s->calls);
    http_server_close(s->server, on_closed, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    (void)unlink(s->path);
}

static void the_version_is_told_and_no_descriptor_leaks(void **state)
{
    struct scene s;
    begin(&s, true);
    s.status = 200;
    s.body = "{\"Version\":\"28.2.2\",\"ApiVersion\":\"1.50\"}";
    ask(&s);
    assert_string_equal(s.version, "28.2.2 (API 1.50)");
    assert_false(s.saw_open_fd);
    end(&s);
}

static void a_refusing_proxy_and_a_stranger_are_told_apart(void **state)
{
    struct scene s;
    begin(&s, true);
    s.status = 403;
    s.body = "Forbidden";
    ask(&s);
    assert_non_null(strstr(s.err.msg, "permit"));
    s.done = false;
    s.status = 200;
    s.body = "<html>";
    ask(&s);
    assert_non_null(strstr(s.err.msg, "no Docker Engine"));
    end(&s);
}

static void an_answer_too_long_is_refused(void **state)
{
    struct scene s;
    begin(&s, true);
    s.status = 200;
    static char big[100 * 1024];
    memset(big, ' ', sizeof big - 1);
    s.body = big;
    ask(&s);
    assert_int_equal(s.err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(s.err.msg, "longer"));
    end(&s);
}

static void nobody_there_is_an_error(void **state)
{
    struct scene s;
    begin(&s, false);
    ask(&s);
    assert_int_equal(s.err.code, ERR_UNAVAILABLE);
    assert_string_equal(s.version, "");
    end(&s);
}

static void a_call_under_way_can_be_given_up(void **state)
{
    struct scene s;
    begin(&s, true);
    struct err e = {0};
    assert_true(version_probe_ask(s.engine, on_version, &s, &e));
    assert_false(version_probe_ask(s.engine, on_version, &s, &e));
    assert_int_equal(e.code, ERR_TOO_BUSY);
    end(&s);
    assert_false(s.done);
}

static void other_forms_of_docker_host_are_refused(void **state)
{
    static const char *const bad[] = {"ssh://host", "unix://relative",   "tcp://",
                                      "tcp://a/b",  "tcp://user@host:1", "/var/run/docker.sock"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        assert_null(version_probe_new(NULL, bad[i], &e));
        assert_string_equal(e.field, "DOCKER_HOST");
    }
    struct err e = {0};
    struct version_probe *en = version_probe_new(NULL, "", &e);
    assert_non_null(en);
    version_probe_free(en);
}

int main(void)
{
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_told_and_no_descriptor_leaks),
        cmocka_unit_test(a_refusing_proxy_and_a_stranger_are_told_apart),
        cmocka_unit_test(an_answer_too_long_is_refused),
        cmocka_unit_test(nobody_there_is_an_error),
        cmocka_unit_test(a_call_under_way_can_be_given_up),
        cmocka_unit_test(other_forms_of_docker_host_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
