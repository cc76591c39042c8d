#include "api_kit.h"

#include "api/metrics.h"
#include "api/openapi.h"
#include "api/route.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *text(const char *query, const char *headers)
{
    char line[128];
    (void)snprintf(line, sizeof line, "GET /metrics%s", query);
    return ask(line, headers, "");
}

static void json_has_the_reference_apis_names_and_counts(void **state)
{
    (void)ask("GET /jobs", KIT_READ, "");
    (void)ask("GET /nowhere", KIT_READ, "");
    (void)ask("GET /jobs", "", "");
    const char *a = text("", KIT_READ);
    assert_int_equal(status_of(a), 200);
    assert_non_null(strstr(a, "{\"ok\":true,\"metrics\":{\"uptime_seconds\":"));
    assert_non_null(strstr(a, "\"requests_total\":3,\"responses_ok\":1,"));
    assert_non_null(strstr(a, "\"responses_error_404\":1"));
    assert_non_null(strstr(a, "\"responses_error_401\":1"));
    assert_non_null(strstr(a, "\"rate_limit_blocked\":0"));
}

static void prometheus_is_chosen_by_accept_or_format(void **state)
{
    const char *a = text("", KIT_READ "Accept: text/plain\r\n");
    assert_string_equal(field(a, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_null(strstr(a, "# EOF"));
    a = text("?format=prometheus", KIT_READ);
    assert_non_null(strstr(a, "# TYPE borgmatic_api_http_requests_total counter\n"));
    assert_non_null(strstr(
        a, "borgmatic_api_http_requests_total{route=\"/metrics\",method=\"GET\",code=\"200\"} "
           "1\n"));
    assert_non_null(strstr(a, "borgmatic_api_rate_limited_total{policy=\"create-backup\"} 0\n"));
    assert_non_null(strstr(a, "borgmatic_api_build_info{version=\"" VERSION "\""));
    a = text("", KIT_READ "Accept: application/openmetrics-text\r\n");
    assert_non_null(strstr(a, "# TYPE borgmatic_api_http_requests counter\n"));
    assert_string_equal(a + strlen(a) - 6, "# EOF\n");
    a = text("?format=json", KIT_READ "Accept: text/plain\r\n");
    assert_non_null(strstr(a, "\"metrics\":{"));
    assert_int_equal(status_of(text("?format=xml", KIT_READ)), 400);
}

static void ended_jobs_show_by_kind_and_target(void **state)
{
    job_finish(job_begin("create", "prod", false), JOB_SUCCEEDED);
    job_finish(job_begin("create", "prod", false), JOB_FAILED);
    job_finish(job_begin("check", NULL, true), JOB_SUCCEEDED);
    job_finish(job_begin("verify-restore", "prod", false), JOB_SUCCEEDED);
    job_finish(job_begin("verify-restore", "lab", false), JOB_FAILED);
    const char *a = text("?format=prometheus", KIT_READ);
    assert_non_null(
        strstr(a, "borgmatic_api_restore_verified_timestamp_seconds{target=\"prod\"} 1"));
    assert_null(strstr(a, "borgmatic_api_restore_verified_timestamp_seconds{target=\"lab\"}"));
    assert_non_null(strstr(
        a, "borgmatic_api_jobs_total{type=\"create\",target=\"prod\",result=\"succeeded\"} 1\n"));
    assert_non_null(strstr(
        a, "borgmatic_api_jobs_total{type=\"create\",target=\"prod\",result=\"failed\"} 1\n"));
    assert_non_null(strstr(
        a, "borgmatic_api_jobs_total{type=\"create\",target=\"prod\",result=\"cancelled\"} 0\n"));
    assert_non_null(
        strstr(a, "borgmatic_api_job_last_success{type=\"create\",target=\"prod\"} 0\n"));
    assert_non_null(strstr(a, "borgmatic_api_job_last_success{type=\"check\",target=\"\"} 1\n"));
    const char *at =
        strstr(a, "borgmatic_api_backup_last_success_timestamp_seconds{target=\"prod\"} ");
    assert_non_null(at);
    assert_true(strtod(strchr(at, ' ') + 1, NULL) > 1.6e9);
    assert_null(strstr(a, "_timestamp_seconds{target=\"\"}"));
}

static void what_the_store_has_of_former_lives_counts_as_last_but_not_as_ended_now(void **state)
{
    struct store_job row = {.id = "create:5",
                            .kind = "create",
                            .label = "old",
                            .state = "succeeded",
                            .terminal = true,
                            .started_ms = 1000,
                            .ended_ms = 61500};
    metrics_job_row(api.metrics, &row);
    row.state = "running";
    row.terminal = false;
    row.label = "other";
    metrics_job_row(api.metrics, &row);
    const char *a = text("?format=prometheus", KIT_READ);
    assert_non_null(
        strstr(a, "borgmatic_api_backup_last_success_timestamp_seconds{target=\"old\"} 61.500\n"));
    assert_non_null(strstr(
        a, "borgmatic_api_job_last_duration_seconds{type=\"create\",target=\"old\"} 60.500\n"));
    assert_non_null(strstr(
        a, "borgmatic_api_jobs_total{type=\"create\",target=\"old\",result=\"succeeded\"} 0\n"));
    assert_null(strstr(a, "target=\"other\""));
}

static void of_aio_is_said_what_the_records_say(void **state)
{
    static const char failed[] = "{\"result\":{\"backups\":[{\"ok\":false}],\"service\":null,"
                                 "\"stopped\":[\"nextcloud-aio-apache\"]}}";
    static const char good[] = "{\"result\":{\"backups\":[{\"ok\":false},{\"ok\":true}],"
                               "\"service\":{\"problem\":null}}}";
    static const char halted[] = "{\"result\":{\"results\":{\"stop_containers\":{\"stopped\":[{}]}"
                                 "}}}";
    struct store_job row = {.kind = "aio-run", .state = "succeeded", .terminal = true};
    const char *a = text("?format=prometheus", KIT_READ);
    assert_null(strstr(a, "borgmatic_api_aio_stack_up 1"));
    assert_null(strstr(a, "borgmatic_api_aio_backup_last_success_timestamp_seconds "
                          "0"));
    row.record = good;
    row.ended_ms = 5500;
    metrics_job_row(api.metrics, &row);
    row.record = failed; /* an older one does not count any more */
    row.ended_ms = 4000;
    metrics_job_row(api.metrics, &row);
    a = text("?format=prometheus", KIT_READ);
    assert_non_null(strstr(a, "\nborgmatic_api_aio_stack_up 1\n"));
    assert_non_null(strstr(a, "\nborgmatic_api_aio_stack_checked_timestamp_seconds 5.500\n"));
    assert_non_null(strstr(a, "\nborgmatic_api_aio_backup_last_success_timestamp_seconds 5.500\n"));
    row.ended_ms = 6000;
    metrics_job_row(api.metrics, &row);
    a = text("?format=prometheus", KIT_READ);
    assert_non_null(strstr(a, "\nborgmatic_api_aio_stack_up 0\n"));
    assert_non_null(strstr(a, "\nborgmatic_api_aio_backup_last_success_timestamp_seconds 5.500\n"));
    row.record = good;
    row.ended_ms = 7000;
    metrics_job_row(api.metrics, &row);
    row.kind = "emergency-shutdown";
    row.record = halted;
    row.ended_ms = 8000;
    metrics_job_row(api.metrics, &row);
    a = text("?format=prometheus", KIT_READ);
    assert_non_null(strstr(a, "\nborgmatic_api_aio_stack_up 0\n"));
    assert_non_null(strstr(a, "\nborgmatic_api_emergency_hold 0\n"));
}

static void targets_past_the_bound_are_counted_as_other(void **state)
{
    char label[32];
    struct store_job row = {.kind = "create", .state = "failed", .terminal = true, .label = label};
    for (int i = 0; i < METRICS_SERIES + 50; i++) {
        (void)snprintf(label, sizeof label, "t%d", i);
        row.ended_ms = i + 1;
        metrics_job_row(api.metrics, &row);
    }
    const char *a = text("?format=prometheus", KIT_READ);
    assert_non_null(strstr(a, "target=\"t255\""));
    assert_null(strstr(a, "target=\"t256\""));
    assert_non_null(strstr(a, "target=\"other\""));
}

static void codes_past_the_bound_do_not_overflow(void **state)
{
    for (int status = 200; status < 600; status++)
        metrics_request(api.metrics, NULL, status);
    metrics_request(api.metrics, &routes[0], 200);
    const char *a = text("", KIT_READ);
    assert_non_null(strstr(a, "\"requests_total\":401,"));
}

/* ---- documents made from the same rows ---- */

static void the_documents_name_every_row(void **state)
{
    struct buf doc, table;
    buf_init(&doc, 1024 * 1024);
    buf_init(&table, 65536);
    openapi_document(&doc);
    openapi_markdown(&table);
    assert_false(doc.failed || table.failed);
    for (size_t i = 0; i < route_count; i++) {
        char line[160];
        (void)snprintf(line, sizeof line, "\n      operationId: %s\n", routes[i].operation);
        assert_non_null(strstr(buf_str(&doc), line));
        (void)snprintf(line, sizeof line, " %s` | ", routes[i].pattern);
        assert_non_null(strstr(buf_str(&table), line));
    }
    buf_done(&doc);
    buf_done(&table);
}

static void same_as_file(const char *name, void (*write)(struct buf *out))
{
    char path[512];
    static char text_of[1024 * 1024];
    struct buf b;
    const char *root = getenv("SOURCE_ROOT");
    assert_non_null(root);
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(text_of, 1, sizeof text_of - 1, f);
    text_of[n] = '\0';
    (void)fclose(f);
    buf_init(&b, 1024 * 1024);
    write(&b);
    if (strcmp(name, "README.md") == 0)
        assert_non_null(strstr(text_of, buf_str(&b)));
    else
        assert_string_equal(text_of, buf_str(&b));
    buf_done(&b);
}

static void the_documents_in_the_tree_are_current(void **state)
{
    same_as_file("docs/openapi.yaml", openapi_document);
    same_as_file("docs/settings.md", config_markdown);
    same_as_file("README.md", openapi_markdown);
}

#define WITH_API(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_API(json_has_the_reference_apis_names_and_counts),
        WITH_API(prometheus_is_chosen_by_accept_or_format),
        WITH_API(ended_jobs_show_by_kind_and_target),
        WITH_API(what_the_store_has_of_former_lives_counts_as_last_but_not_as_ended_now),
        WITH_API(of_aio_is_said_what_the_records_say),
        WITH_API(targets_past_the_bound_are_counted_as_other),
        WITH_API(codes_past_the_bound_do_not_overflow),
        cmocka_unit_test(the_documents_name_every_row),
        cmocka_unit_test(the_documents_in_the_tree_are_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
