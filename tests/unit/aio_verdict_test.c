#include "aio/run/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARCHIVE "20260101_040000-nextcloud-aio"

/* Everything as it should be; each row takes something away. */
static const struct aio_evidence good = {
    .finish_line = true,
    .over = true,
    .code = 0,
    .found = true,
    .is_new = true,
    .ended = true,
    .mode_as_meant = true,
    .target_as_meant = true,
    .log_read = true,
    .succeeded = true,
    .stats = true,
    .list_read = true,
    .archive = ARCHIVE,
};

#define WITH(...) \
    ({ \
        struct aio_evidence ev = good; \
        __VA_ARGS__; \
        ev; \
    })

static void expect(const struct aio_verdict *v, enum aio_grade grade, const char *word,
                   const char *part)
{
    assert_string_equal(v->word, word);
    assert_int_equal(v->grade, grade);
    assert_int_equal(v->api != ERR_NONE, grade == AIO_GRADE_FAILED);
    if (!strstr(v->sentence, part))
        fail_msg("%s is not in: %s", part, v->sentence);
}

static void backup(struct aio_evidence ev, enum aio_grade grade, const char *word, const char *part)
{
    struct aio_verdict v = {0};
    aio_verdict_of_backup(&ev, "/mnt/backup", &v);
    expect(&v, grade, word, part);
}

static void check(struct aio_evidence ev, enum aio_grade grade, const char *word, const char *part)
{
    struct aio_verdict v = {0};
    aio_verdict_of_check(&ev, &v);
    expect(&v, grade, word, part);
}

static void script(struct aio_evidence ev, enum aio_grade grade, const char *word, const char *part)
{
    struct aio_verdict v = {0};
    aio_verdict_of_script(&ev, &v);
    expect(&v, grade, word, part);
}

static void a_backup_is_good_only_when_all_of_it_is_proven(void **state)
{
    backup(good, AIO_GRADE_OK, "succeeded", ARCHIVE);
    /* the script's exit code counts for nothing */
    backup(WITH(ev.code = 1), AIO_GRADE_OK, "succeeded", ARCHIVE);
    backup(WITH(ev.code = -1), AIO_GRADE_OK, "succeeded", ARCHIVE);

    backup(WITH(ev.archive[0] = '\0'), AIO_GRADE_FAILED, "archive_missing", "/mnt/backup");
    backup(WITH(ev.target_as_meant = false), AIO_GRADE_FAILED, "wrong_target", "/mnt/backup");
    backup(WITH(ev.mode_as_meant = false), AIO_GRADE_FAILED, "wrong_mode", "another mode");
    backup(WITH(ev.is_new = false), AIO_GRADE_FAILED, "stale_container", "earlier run");
    backup(WITH(ev.found = false), AIO_GRADE_FAILED, "borg_not_started", "without");
    backup(WITH(ev.ended = false), AIO_GRADE_FAILED, "not_finished", "not known how");
    backup(WITH(ev.succeeded = false), AIO_GRADE_FAILED, "no_success_line", "does not say");
    backup(WITH(ev.finish_line = false), AIO_GRADE_WARNING, "not_finished", ARCHIVE);
    backup(WITH(ev.log_read = false; ev.succeeded = false), AIO_GRADE_WARNING, "unverified", "log");
    backup(WITH(ev.list_read = false; ev.archive[0] = '\0'), AIO_GRADE_WARNING, "unverified",
           "list of archives");
}

static void a_script_that_left_at_once_did_nothing(void **state)
{
    backup(WITH(ev.guard = AIO_MARK_NOT_SET_UP), AIO_GRADE_FAILED, "nothing_done",
           "initial configuration");
    backup(WITH(ev.guard = AIO_MARK_RESTORING), AIO_GRADE_FAILED, "nothing_done", "restore");
    backup(WITH(ev.guard = AIO_MARK_CONTRADICTION), AIO_GRADE_FAILED, "nothing_done", "exclude");
    check(WITH(ev.guard = AIO_MARK_NOT_SET_UP), AIO_GRADE_FAILED, "nothing_done", "configuration");
    script(WITH(ev.guard = AIO_MARK_RESTORING), AIO_GRADE_FAILED, "nothing_done", "restore");
}

static void a_failed_borg_says_why(void **state)
{
    struct aio_evidence failed = good;
    failed.exit_code = 1;
    failed.succeeded = failed.stats = false;
    failed.archive[0] = '\0';
    backup(failed, AIO_GRADE_FAILED, "borg_failed", "no reason");
    strcpy(failed.reason, "config.php is missing. Cannot perform backup!");
    backup(failed, AIO_GRADE_FAILED, "borg_failed", "config.php is missing");
    failed.discarded = true;
    backup(failed, AIO_GRADE_FAILED, "borg_failed", "config.php is missing");

    /* the archive was complete when AIO deleted it: a warning */
    failed.stats = true;
    strcpy(failed.warning, "/a: file changed while we backed it up");
    backup(failed, AIO_GRADE_FAILED, "borg_warned", "file changed");

    backup(WITH(ev.exit_code = 1; ev.update_failed = true), AIO_GRADE_WARNING, "update_failed",
           ARCHIVE);
    backup(WITH(ev.exit_code = 1; ev.update_failed = true; ev.target_as_meant = false),
           AIO_GRADE_FAILED, "borg_failed", "/mnt/backup");
}

static void a_killed_borg_is_no_failed_backup(void **state)
{
    backup(WITH(ev.exit_code = 137), AIO_GRADE_FAILED, "borg_killed", "killed");
    backup(WITH(ev.exit_code = 137; ev.oom = true), AIO_GRADE_FAILED, "borg_killed", "memory");
    backup(WITH(ev.exit_code = 143), AIO_GRADE_FAILED, "borg_killed", "stopped");
    backup(WITH(ev.exit_code = 127), AIO_GRADE_FAILED, "borg_killed", "could not be started");
    backup(WITH(ev.exit_code = -1), AIO_GRADE_FAILED, "borg_killed", "-1");
    check(WITH(ev.exit_code = 139), AIO_GRADE_FAILED, "borg_killed", "139");
}

static void a_stream_that_was_cut_is_no_script_that_was(void **state)
{
    struct aio_evidence cut = WITH(ev.finish_line = false; ev.unseen = true);
    backup(cut, AIO_GRADE_OK, "succeeded", ARCHIVE);
    script(cut, AIO_GRADE_OK, "succeeded", "finished");
    cut.code = 137;
    script(cut, AIO_GRADE_FAILED, "not_finished", "ended before");
    cut.code = -1;
    script(cut, AIO_GRADE_OK, "succeeded", "finished");
    cut.master_restarted = true;
    script(cut, AIO_GRADE_FAILED, "not_finished", "mastercontainer");
    cut.master_restarted = false;
    cut.code = 0;
    cut.over = false;
    script(cut, AIO_GRADE_FAILED, "not_finished", "not known");
    cut.master_restarted = true;
    script(cut, AIO_GRADE_FAILED, "not_finished", "mastercontainer");

    struct aio_evidence early =
        WITH(ev.finish_line = false; ev.found = false; ev.is_new = false; ev.archive[0] = '\0');
    backup(early, AIO_GRADE_FAILED, "not_finished", "no borg ran");
    early.found = true;
    backup(early, AIO_GRADE_FAILED, "not_finished", "no borg ran");
}

static void a_check_needs_its_own_success_line(void **state)
{
    struct aio_evidence own = good;
    own.list_read = own.target_as_meant = own.finish_line = false;
    own.archive[0] = '\0';
    check(own, AIO_GRADE_OK, "succeeded", "no fault");
    own.succeeded = false;
    check(own, AIO_GRADE_FAILED, "no_success_line", "does not say");
    own.log_read = false;
    check(own, AIO_GRADE_WARNING, "unverified", "log");
    own.exit_code = 1;
    strcpy(own.reason, "Some errors were found while checking the backup integrity!");
    check(own, AIO_GRADE_FAILED, "check_failed", "Some errors");
    check(WITH(ev.mode_as_meant = false), AIO_GRADE_FAILED, "wrong_mode", "check");
}

static void containers_need_the_finish_line(void **state)
{
    struct aio_evidence ev = {.code = 0, .over = true};
    script(ev, AIO_GRADE_FAILED, "not_finished", "ended before");
    ev.finish_line = true;
    script(ev, AIO_GRADE_OK, "succeeded", "finished");
}

static void a_service_that_is_down_overrules_all(void **state)
{
    struct aio_verdict ok = {0}, bad = {0};
    aio_verdict_of_backup(&good, "/mnt/backup", &ok);
    aio_verdict_of_backup(&(struct aio_evidence){.finish_line = true}, "/mnt/backup", &bad);
    assert_true(aio_verdict_worse(&bad, &ok));
    assert_false(aio_verdict_worse(&ok, &bad));
    assert_false(aio_verdict_worse(&ok, &ok));
    aio_verdict_service_down(&ok, "apache does not run");
    expect(&ok, AIO_GRADE_FAILED, "service_down", "apache does not run");
    expect(&ok, AIO_GRADE_FAILED, "service_down", ARCHIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_is_good_only_when_all_of_it_is_proven),
        cmocka_unit_test(a_script_that_left_at_once_did_nothing),
        cmocka_unit_test(a_failed_borg_says_why),
        cmocka_unit_test(a_killed_borg_is_no_failed_backup),
        cmocka_unit_test(a_stream_that_was_cut_is_no_script_that_was),
        cmocka_unit_test(a_check_needs_its_own_success_line),
        cmocka_unit_test(containers_need_the_finish_line),
        cmocka_unit_test(a_service_that_is_down_overrules_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
