#include "backup/create/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct verdict_result good = {
    .state = VERDICT_SUCCEEDED, .word = "archive_created", .sentence = "archive x was made"};
static const struct verdict_result killed = {
    .state = VERDICT_FAILED, .word = "borg_killed", .api = ERR_BACKUP_FAILED, .sentence = "x"};
#define CONFIG_ERROR \
    "/a.yaml: No valid configuration files found\n\nsummary:\n/a.yaml: Error parsing configuration " \
    "file\nAn error occurred while parsing a configuration file at /a.yaml:\nAt 'storage': " \
    "Additional properties are not allowed ('foo' was unexpected)\n"
#define HOOK_ERROR \
    "/r: Error running actions for repository\nCommand 'false' returned non-zero exit status 1.\n"
#define BORG_ERROR \
    "/r: Error running actions for repository\nCommand '/x/bin/borg create /r' returned non-zero " \
    "exit status 2.\n"
#define SOFT "main: Command hook exited with soft failure exit code (75); skipping\n"

static void the_run_as_a_whole_is_judged_by_what_borg_did(void **state)
{
    static const struct {
        int code, signal;
        const char *text;
        const struct verdict_result *worst;
        size_t runs, repositories;
        enum verdict_state state;
        const char *word;
        enum err_code api;
    } rows[] = {
        {0, 0, "", &good, 1, 1, VERDICT_SUCCEEDED, "archive_created", ERR_NONE},
        {0, 0, "", &killed, 1, 1, VERDICT_FAILED, "borg_killed", ERR_BACKUP_FAILED},
        {1, 0, BORG_ERROR, &killed, 1, 1, VERDICT_FAILED, "borg_killed", ERR_BACKUP_FAILED},
        {0, 0, SOFT, NULL, 0, 1, VERDICT_WARNING, "skipped_by_hook", ERR_NONE},
        {0, 0, "", NULL, 0, 1, VERDICT_WARNING, "skipped_by_hook", ERR_NONE},
        {0, 0, "", &good, 1, 2, VERDICT_WARNING, "skipped_by_hook", ERR_NONE},
        {0, 0, "", NULL, 1, 1, VERDICT_FAILED, "exit_unknown", ERR_BACKUP_FAILED},
        {1, 0, CONFIG_ERROR, NULL, 0, 0, VERDICT_FAILED, "invalid_config", ERR_INVALID_CONFIG},
        {1, 0, HOOK_ERROR, NULL, 0, 1, VERDICT_FAILED, "hook_failed", ERR_BACKUP_FAILED},
        {1, 0, HOOK_ERROR, &good, 1, 1, VERDICT_FAILED, "hook_failed", ERR_BACKUP_FAILED},
        {1, 0, BORG_ERROR, &good, 1, 1, VERDICT_FAILED, "borgmatic_failed", ERR_BACKUP_FAILED},
        {1, 0, "", NULL, 0, 1, VERDICT_FAILED, "borgmatic_failed", ERR_BACKUP_FAILED},
        {143, 15, "", &good, 1, 1, VERDICT_FAILED, "borgmatic_killed", ERR_BACKUP_FAILED},
        {137, 9, "", NULL, 0, 1, VERDICT_FAILED, "borgmatic_killed", ERR_BACKUP_FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict_result r;
        verdict_of_run(rows[i].code, rows[i].signal, rows[i].text, rows[i].worst, rows[i].runs,
                       rows[i].repositories, false, &r);
        assert_int_equal(r.state, rows[i].state);
        assert_string_equal(r.word, rows[i].word);
        assert_int_equal(r.api, rows[i].api);
        assert_true(r.sentence[0] != '\0');
    }
    struct verdict_result r;
    verdict_of_run(1, 0, CONFIG_ERROR, NULL, 0, 0, false, &r);
    assert_string_equal(r.sentence, "borgmatic cannot read the configuration: At 'storage': "
                                    "Additional properties are not allowed ('foo' was unexpected)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_run_as_a_whole_is_judged_by_what_borg_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
