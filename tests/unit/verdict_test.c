#include "verdict_kit.h"

#include "backup/create/verdict_file.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void success_needs_the_archive(void **state)
{
    struct verdict_result r = created(0, "h-1", NULL);
    assert_int_equal(r.state, VERDICT_SUCCEEDED);
    assert_int_equal(r.api, ERR_NONE);
    assert_string_equal(r.word, "archive_created");
    assert_string_equal(r.sentence, "archive h-1 was made");
    r = created(0, NULL, NULL);
    assert_int_equal(r.state, VERDICT_FAILED);
    assert_string_equal(r.word, "archive_missing");
    assert_int_equal(r.api, ERR_BACKUP_FAILED);
    assert_string_equal(created(0, "h-1.checkpoint", NULL).word, "archive_missing");
    assert_string_equal(created(1, "h-1.checkpoint.2", NULL).word, "archive_missing");
    assert_string_equal(created(0, "my.checkpoints", NULL).word, "archive_created");
}

static void exit_codes_of_warnings_and_of_ends_are_told_apart(void **state)
{
    static const struct {
        int code;
        enum verdict_state state;
        const char *word;
    } rows[] = {
        {1, VERDICT_WARNING, "created_with_warnings"},
        {100, VERDICT_WARNING, "created_with_warnings"},
        {107, VERDICT_WARNING, "created_with_warnings"},
        {127, VERDICT_WARNING, "created_with_warnings"},
        {128, VERDICT_FAILED, "borg_killed"},
        {143, VERDICT_FAILED, "borg_killed"},
        {2, VERDICT_FAILED, "borg_failed"},
        {99, VERDICT_FAILED, "borg_failed"},
        {-1, VERDICT_FAILED, "borg_killed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict_result r = created(rows[i].code, "h", NULL);
        assert_int_equal(r.state, rows[i].state);
        assert_string_equal(r.word, rows[i].word);
    }
    struct verdict *v = verdict_new();
    assert_string_equal(result_of(v).word, "exit_unknown");
    verdict_exit(v, 137, 9);
    assert_string_equal(result_of(v).word, "borg_killed");
    verdict_free(v);
}

static void what_cannot_be_read_back_is_no_success(void **state)
{
    struct verdict *v = verdict_new();
    verdict_exit(v, 0, 0);
    assert_string_equal(result_of(v).word, "unverified");
    verdict_archive(v, true, false, NULL, "borg did not answer in 600 s");
    struct verdict_result r = result_of(v);
    assert_int_equal(r.state, VERDICT_WARNING);
    assert_string_equal(r.sentence, "borg reports success, but the archive could not be read back: "
                                    "borg did not answer in 600 s");
    verdict_archive(v, false, false, NULL, NULL);
    assert_string_equal(result_of(v).word, "dry_run_ok");
    assert_int_equal(result_of(v).state, VERDICT_SUCCEEDED);
    verdict_exit(v, 1, 0);
    assert_int_equal(result_of(v).state, VERDICT_WARNING);
    verdict_free(v);
}

static void files_of_warnings_are_listed_once_with_the_reason(void **state)
{
    static const char *const lines[] = {
        LOG("WARNING", "", "nosuch: [Errno 2] No such file or directory: 'nosuch'"),
        LOG("WARNING", ", \"msgid\": \"FileChangedWarning\"",
            "many/zz: file changed while we backed it up"),
        "{\"type\": \"file_status\", \"status\": \"C\", \"path\": \"many/zz\"}",
        "{\"type\": \"file_status\", \"status\": \"A\", \"path\": \"fine\"}",
        LOG("WARNING", "", "a: b: open: [Errno 13] Permission denied: 'b'"),
        LOG("WARNING", "", "dev: read: [Errno 5] Input/output error"),
        LOG("WARNING", "", "Include pattern 'x' never matched."),
        "{\"type\": \"log_message\", \"message\": \"Killed stale lock vm@1.2-0.\", \"levelname\": "
        "\"WARNING\", \"name\": \"borg.locking\"}",
        NULL};
    struct verdict *v = verdict_new();
    struct buf b;
    json_t *a = archive_named("h-1");
    for (size_t i = 0; lines[i]; i++)
        hear(v, lines[i]);
    verdict_exit(v, 107, 0);
    verdict_archive(v, true, true, a, NULL);
    assert_string_equal(result_of(v).sentence,
                        "archive h-1 was made; 4 files changed meanwhile or could not be read");
    buf_init(&b, 64 * 1024);
    verdict_json(v, &b);
    assert_non_null(strstr(buf_str(&b),
                           "\"files\":[{\"path\":\"nosuch\",\"reason\":\"missing\"},"
                           "{\"path\":\"many/zz\",\"reason\":\"changed\"},"
                           "{\"path\":\"a: b\",\"reason\":\"denied\"},"
                           "{\"path\":\"dev\",\"reason\":\"io_error\"}],"
                           "\"archive\":{\"name\":\"h-1\",\"id\":\"48ec\","
                           "\"start\":\"2026-11-23T02:45:54.000000\",\"duration\":0.500,"
                           "\"original_size\":600000,\"nfiles\":3}}}"));
    assert_non_null(strstr(buf_str(&b), "{\"exit_code\":107,\"messages\":["));
    assert_null(strstr(buf_str(&b), "command_line"));
    buf_done(&b);
    json_decref(a);
    verdict_free(v);
}

static void evidence_is_bounded(void **state)
{
    struct verdict *v = verdict_new();
    struct buf b;
    char line[8192];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(line, sizeof line, LOG("WARNING", "", "f%05d%04000d: [Errno 2] x"), i, 0);
        hear(v, line);
    }
    verdict_exit(v, 1, 0);
    buf_init(&b, 1024 * 1024);
    verdict_json(v, &b);
    assert_false(b.failed);
    assert_non_null(strstr(buf_str(&b), "\"messages_total\":500"));
    assert_non_null(strstr(buf_str(&b), "\"files_total\":500"));
    assert_true(b.n < 300 * 1024);
    json_t *j = json_parse(buf_str(&b), b.n, NULL);
    const json_t *evidence = json_object_get(j, "evidence");
    assert_int_equal(json_array_size(json_object_get(evidence, "files")), VERDICT_FILES_MAX);
    assert_int_equal(json_array_size(json_object_get(evidence, "messages")), VERDICT_MESSAGES_MAX);
    json_decref(j);
    buf_done(&b);
    verdict_free(v);
}

static void paths_are_found_in_warnings(void **state)
{
    static const struct {
        const char *text, *reason;
        size_t n;
    } rows[] = {
        {"x: stat: [Errno 2] No such file", "missing", 1},
        {"/a b: [Errno 1] Operation not permitted", "denied", 4},
        {"/stat: [Errno 17] x", "error", 5},
        {"d: e: extended attributes: [Errno 95] x", "error", 4},
        {": [Errno 2] x", NULL, 0},
        {"nothing of this", NULL, 0},
        {": file changed while we backed it up", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = 0;
        const char *reason = verdict_file_reason(rows[i].text, &n);
        if (!rows[i].reason) {
            assert_null(reason);
            continue;
        }
        assert_string_equal(reason, rows[i].reason);
        assert_int_equal(n, rows[i].n);
    }
}

static const struct verdict_faults faults = {"found", "faults were found", "mended", "all mended"};

static struct verdict_result checked(int code, const char *line)
{
    struct verdict *v = verdict_new();
    verdict_expect(v, "check_ok", "no fault");
    verdict_faults(v, &faults);
    if (line)
        hear(v, line);
    verdict_exit(v, code, 0);
    struct verdict_result r = result_of(v);
    verdict_free(v);
    return r;
}

static void a_checks_findings_are_no_mere_warnings(void **state)
{
    static const char segment[] = LOG("ERROR", "", "Data integrity error: segment 0");
    assert_string_equal(checked(0, NULL).word, "check_ok");
    struct verdict_result r = checked(1, segment);
    assert_int_equal(r.state, VERDICT_FAILED);
    assert_int_equal(r.api, ERR_COMMAND_FAILED);
    assert_string_equal(r.word, "found");
    assert_string_equal(r.sentence, "faults were found: Data integrity error: segment 0");
    assert_string_equal(checked(1, NULL).word, "found");
    assert_string_equal(checked(107, NULL).word, "found");
    r = checked(0, segment);
    assert_int_equal(r.state, VERDICT_WARNING);
    assert_string_equal(r.word, "mended");
    assert_string_equal(checked(2, NULL).word, "borg_failed");
    assert_string_equal(checked(143, NULL).word, "borg_killed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_needs_the_archive),
        cmocka_unit_test(exit_codes_of_warnings_and_of_ends_are_told_apart),
        cmocka_unit_test(what_cannot_be_read_back_is_no_success),
        cmocka_unit_test(files_of_warnings_are_listed_once_with_the_reason),
        cmocka_unit_test(evidence_is_bounded),
        cmocka_unit_test(paths_are_found_in_warnings),
        cmocka_unit_test(a_checks_findings_are_no_mere_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
