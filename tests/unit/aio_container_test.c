#include "aio/look/container.h"
#include "base/buf.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *json(const char *text)
{
    struct err e;
    json_t *v = json_parse(text, strlen(text), &e);
    assert_non_null(v);
    return v;
}

static struct aio_container container(const char *text)
{
    struct aio_container c;
    json_t *v = json(text);
    assert_true(aio_container_read(v, &c));
    json_decref(v);
    return c;
}

static void assert_written(const struct aio_container *c, const char *key, const char *expected)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    aio_container_write(c, &w);
    json_t *v = json(buf_str(&b));
    char *got = json_dumps(json_object_get(v, key), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    assert_string_equal(got, expected);
    free(got);
    json_decref(v);
    buf_done(&b);
}

static void one_that_runs(void **state)
{
    struct aio_container c = container(
        "{\"Id\":\"abc\",\"Name\":\"/nextcloud-aio-apache\",\"Config\":{\"Image\":\"aio/apache\"},"
        "\"State\":{\"Status\":\"running\",\"Running\":true,\"Restarting\":false,\"ExitCode\":0,"
        "\"Health\":{\"Status\":\"healthy\"},\"StartedAt\":\"2026-01-01T04:00:05.5Z\","
        "\"FinishedAt\":\"2026-01-01T03:00:00Z\"}}");
    assert_string_equal(c.name, "nextcloud-aio-apache");
    assert_string_equal(c.id, "abc");
    assert_string_equal(c.image, "aio/apache");
    assert_string_equal(c.health, "healthy");
    assert_true(c.running);
    assert_false(c.restarting);
    assert_true(c.started_ms == 1767240005500);
    assert_written(&c, "since", "1767240005.5");
    assert_written(&c, "exit_code", "null");
    assert_written(&c, "running", "true");
}

/* The Engine's "Running" is true of both. */
static void one_that_restarts_or_is_paused_does_not_run(void **state)
{
    struct aio_container c =
        container("{\"Name\":\"/a\",\"State\":{\"Status\":\"restarting\",\"Running\":true,"
                  "\"Restarting\":true,\"ExitCode\":7,\"StartedAt\":\"2026-01-01T04:00:05Z\","
                  "\"FinishedAt\":\"2026-01-01T04:00:06Z\"}}");
    assert_false(c.running);
    assert_true(c.restarting);
    assert_true(aio_container_active(&c));
    assert_written(&c, "exit_code", "7");
    assert_written(&c, "since", "1767240006.0");
    assert_written(&c, "health", "null");

    c = container("{\"Name\":\"/a\",\"State\":{\"Status\":\"paused\",\"Running\":true}}");
    assert_false(c.running);
    assert_false(c.restarting);
    assert_true(aio_container_active(&c));
}

static void one_that_never_ran(void **state)
{
    struct aio_container c = container(
        "{\"Name\":\"/a\",\"State\":{\"Status\":\"created\",\"Running\":false,\"ExitCode\":128,"
        "\"StartedAt\":\"0001-01-01T00:00:00Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\"}}");
    assert_false(c.running);
    assert_false(aio_container_active(&c));
    assert_written(&c, "since", "null");
    assert_written(&c, "exit_code", "null");
}

static void what_is_no_description(void **state)
{
    static const char *const texts[] = {"{}", "[]", "{\"Name\":\"/a\"}", "{\"State\":{}}",
                                        "{\"Name\":\"/a\",\"State\":[]}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct aio_container c;
        json_t *v = json(texts[i]);
        assert_false(aio_container_read(v, &c));
        json_decref(v);
    }
}

static void times_of_the_engine(void **state)
{
    assert_true(aio_time_read("1970-01-01T00:00:01Z") == 1000);
    assert_true(aio_time_read("1970-01-01T00:00:01.2345Z") == 1234);
    assert_true(aio_time_read("0001-01-01T00:00:00Z") == 0);
    assert_true(aio_time_read("2026-01-01T00:00:00+01:00") == 0);
    assert_true(aio_time_read("") == 0);
    assert_true(aio_time_read("yesterday") == 0);
}

static void the_version_stands_in_nextclouds_environment(void **state)
{
    char version[AIO_VERSION];
    json_t *v = json("{\"Config\":{\"Env\":[\"A=1\",\"NC_AIO_VERSIONS=9\",\"NC_AIO_VERSION=v13.6.0"
                     "\"]}}");
    aio_version_read(v, version);
    assert_string_equal(version, "13.6.0");
    assert_null(aio_container_env(v, "B"));
    assert_string_equal(aio_container_env(v, "A"), "1");
    json_decref(v);
    aio_version_read(NULL, version);
    assert_string_equal(version, "");
}

static bool named(const char *commands)
{
    char text[512];
    bool yes = false;
    (void)snprintf(text, sizeof text, "{\"Titles\":[\"PID\",\"CMD\"],\"Processes\":[%s]}",
                   commands);
    json_t *v = json(text);
    assert_true(aio_top_names(v, "/daily-backup.sh", &yes));
    json_decref(v);
    return yes;
}

static void the_script_is_a_word_of_a_command_line(void **state)
{
    assert_true(named("[\"1\",\"supervisord\"],[\"2\",\"bash /daily-backup.sh\"]"));
    assert_true(named("[\"2\",\"/bin/bash /daily-backup.sh stop\"]"));
    assert_true(named("[\"2\",\"/daily-backup.sh\"]"));
    assert_false(named("[\"1\",\"bash /daily-backup.sh-old\"],[\"2\",\"sh /x/daily-backup.sh\"]"));
    assert_false(named("[\"1\",\"x /a/daily-backup.sh\"]"));
    assert_false(named("[\"/daily-backup.sh\",\"x\"]")); /* another column */
    assert_false(named(""));
}

static void what_is_no_process_list(void **state)
{
    bool yes;
    json_t *v = json("{\"Titles\":[\"PID\"],\"Processes\":[[\"1\"]]}");
    assert_false(aio_top_names(v, "/daily-backup.sh", &yes));
    json_decref(v);
    assert_false(aio_top_names(NULL, "/daily-backup.sh", &yes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_runs),
        cmocka_unit_test(one_that_restarts_or_is_paused_does_not_run),
        cmocka_unit_test(one_that_never_ran),
        cmocka_unit_test(what_is_no_description),
        cmocka_unit_test(times_of_the_engine),
        cmocka_unit_test(the_version_stands_in_nextclouds_environment),
        cmocka_unit_test(the_script_is_a_word_of_a_command_line),
        cmocka_unit_test(what_is_no_process_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
