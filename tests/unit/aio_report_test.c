/* What is said of a workflow: the shapes of its result, verdict and status events. */
#include "aio/job/report.h"

#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct aio_context context = {.whitelist = {.daily = "/daily-backup.sh"}};
static const struct aio_target before = {.host_location = "/mnt/backup"};

static json_t *said(const struct aio_report *r,
                    void (*f)(const struct aio_report *r, struct buf *out), bool braces)
{
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    if (braces)
        (void)buf_putc(&b, '{');
    f(r, &b);
    if (braces)
        (void)buf_putc(&b, '}');
    assert_false(b.failed);
    json_t *o = json_parse(buf_str(&b), b.n, NULL);
    assert_non_null(o);
    buf_done(&b);
    return o;
}

static const json_t *at(const json_t *o, const char *key)
{
    return json_object_get(o, key);
}

static struct aio_outcome backed_up(void)
{
    struct aio_outcome o = {.ok = true,
                            .word = "succeeded",
                            .sentence = "it is there",
                            .returncode = 0,
                            .down_ms = 61500,
                            .out = mem_strdup("Daily backup script has started\n"),
                            .err = mem_strdup(""),
                            .env = {"DAILY_BACKUP=1", "CHECK_BACKUP=0", "NEXTCLOUD_DRI_GID=105"},
                            .env_count = 3,
                            .backup_count = 1,
                            .stopped = "nextcloud-aio-apache,nextcloud-aio-database",
                            .service_checked = true,
                            .service = {.installed = true},
                            .dump_known = true,
                            .dump_clean = true};
    o.backups[0] =
        (struct aio_backup){.target = {.host_location = "/mnt/other"},
                            .word = "succeeded",
                            .ok = true,
                            .archive = "20260101_040000-nextcloud-aio",
                            .container_id = "abc",
                            .container_new = true,
                            .finish_line = true,
                            .success_line = true,
                            .archive_listed = true,
                            .target_as_meant = true,
                            .after = json_pack("{s:s,s:i}", "Status", "exited", "ExitCode", 0)};
    return o;
}

static void done(struct aio_outcome *o)
{
    for (size_t i = 0; i < o->backup_count; i++) {
        json_decref(o->backups[i].before);
        json_decref(o->backups[i].after);
        mem_free(o->backups[i].log_tail);
    }
    mem_free(o->out);
    mem_free(o->err);
}

static void a_good_run_has_the_reference_apis_shape(void **state)
{
    struct aio_outcome o = backed_up();
    const struct aio_wants w = {.daily_backup = true, .stop_containers = true};
    json_t *r = said(&(struct aio_report){.context = &context, .wants = &w, .outcome = &o},
                     aio_report_result, false);
    assert_int_equal(json_get_int(r, "returncode", -1), 0);
    assert_string_equal(json_get_str(r, "command", ""), "/daily-backup.sh");
    assert_string_equal(json_get_str(r, "stdout", ""), "Daily backup script has started\n");
    assert_string_equal(json_get_str(at(r, "env"), "DAILY_BACKUP", ""), "1");
    assert_string_equal(json_get_str(at(r, "env"), "NEXTCLOUD_DRI_GID", ""), "105");
    const json_t *borg = at(r, "borgbackup");
    assert_string_equal(json_get_str(borg, "container", ""), "nextcloud-aio-borgbackup");
    assert_true(json_get_bool(borg, "changed", false));
    assert_false(json_get_bool(borg, "failed", true));
    assert_true(json_is_null(at(borg, "before")));
    assert_int_equal(json_get_int(at(borg, "after"), "ExitCode", -1), 0);
    assert_null(at(borg, "message"));
    assert_null(at(r, "target")); /* it was AIO's own */
    assert_true(json_get_num(r, "downtime_seconds", 0) > 61);
    assert_int_equal(json_array_size(at(r, "stopped")), 2);
    assert_true(json_get_bool(at(r, "dump"), "clean", false));
    assert_true(json_get_bool(at(r, "service"), "installed", false));
    json_decref(r);
    r = said(&(struct aio_report){.context = &context, .wants = &w, .outcome = &o},
             aio_report_verdict, false);
    assert_true(json_get_bool(at(at(r, "evidence"), "service"), "installed", false));
    json_decref(r);
    done(&o);
}

static void a_failed_target_is_told_with_the_others(void **state)
{
    struct aio_outcome o = backed_up();
    o.ok = false;
    o.target_restored = true;
    o.backup_count = 2;
    o.backups[1] = (struct aio_backup){.target = {.remote_repo = "u@h:r"},
                                       .word = "backup_failed",
                                       .sentence = "exited with code 1",
                                       .exit_code = 1,
                                       .log_tail = mem_strdup("a\nBackup failed!")};
    const struct aio_wants w = {
        .daily_backup = true,
        .restore_after = true,
        .target_count = 2,
        .targets = {{.host_location = "/mnt/other"}, {.remote_repo = "u@h:r"}}};
    const struct aio_report report = {
        .context = &context, .wants = &w, .previous = &before, .outcome = &o};
    json_t *r = said(&report, aio_report_result, false);
    assert_true(json_get_bool(at(r, "borgbackup"), "failed", false));
    assert_string_equal(json_get_str(at(r, "borgbackup"), "message", ""), "exited with code 1");
    assert_string_equal(json_get_str(at(r, "borgbackup"), "log_tail", ""), "a\nBackup failed!");
    assert_int_equal(json_array_size(at(r, "backups")), 2);
    assert_int_equal(json_array_size(at(r, "targets")), 2);
    assert_string_equal(json_get_str(at(r, "target"), "host_location", ""), "/mnt/other");
    assert_string_equal(json_get_str(at(r, "previous"), "host_location", ""), "/mnt/backup");
    assert_string_equal(json_get_str(at(r, "restored"), "host_location", ""), "/mnt/backup");
    json_decref(r);
    r = said(&report, aio_report_status, true);
    assert_string_equal(json_get_str(at(r, "previous"), "host_location", ""), "/mnt/backup");
    assert_true(json_get_bool(at(r, "borgbackup"), "failed", false));
    assert_non_null(at(r, "restored"));
    assert_non_null(at(r, "env"));
    json_decref(r);
    o.target_restored = false; /* nothing had to be switched */
    r = said(&report, aio_report_result, false);
    assert_string_equal(json_get_str(at(r, "restored"), "host_location", ""), "/mnt/backup");
    json_decref(r);
    (void)snprintf(o.word, sizeof o.word, "target_not_restored");
    r = said(&report, aio_report_result, false);
    assert_non_null(at(at(r, "restored"), "error"));
    json_decref(r);
    done(&o);
}

static void at_the_start_status_has_target_previous_and_env(void **state)
{
    const struct aio_wants w = {.daily_backup = true,
                                .start_containers = true,
                                .restore_after = true,
                                .target_count = 1,
                                .targets = {{.host_location = "/mnt/other"}}};
    json_t *r = said(&(struct aio_report){.context = &context, .wants = &w, .previous = &before},
                     aio_report_status, true);
    assert_string_equal(json_get_str(at(r, "target"), "mode", ""), "local");
    assert_string_equal(json_get_str(at(r, "previous"), "host_location", ""), "/mnt/backup");
    assert_string_equal(json_get_str(at(r, "env"), "DAILY_BACKUP", ""), "1");
    assert_string_equal(json_get_str(at(r, "env"), "CHECK_BACKUP", ""), "0");
    assert_null(at(r, "restored"));
    json_decref(r);
}

static void a_stop_has_the_seeds_word(void **state)
{
    const struct aio_wants w = {.stop_containers = true};
    struct buf b;
    buf_init(&b, LIMIT_LINE);
    aio_report_command(&(struct aio_report){.context = &context, .wants = &w}, &b);
    assert_string_equal(buf_str(&b), "/daily-backup.sh stop");
    buf_done(&b);
}

static void findings_that_are_not_ok_are_told(void **state)
{
    struct aio_outcome o = {
        .word = "preflight_failed",
        .returncode = -1,
        .down_ms = -1,
        .preflight = {.count = 3,
                      .checks = {{.id = "engine", .result = PREFLIGHT_OK},
                                 {.id = "idle",
                                  .result = PREFLIGHT_FAILED,
                                  .finding = "borgbackup runs",
                                  .remedy = "wait"},
                                 {.id = "space", .result = PREFLIGHT_UNKNOWN}}}};
    const struct aio_wants w = {.daily_backup = true};
    json_t *r = said(
        &(struct aio_report){
            .context = &context, .wants = &w, .outcome = &o, .hint = "set POST: 1"},
        aio_report_result, false);
    const json_t *found = at(r, "preflight");
    assert_int_equal(json_array_size(found), 2);
    assert_string_equal(json_get_str(json_array_get(found, 0), "result", ""), "failed");
    assert_string_equal(json_get_str(json_array_get(found, 0), "finding", ""), "borgbackup runs");
    assert_string_equal(json_get_str(json_array_get(found, 1), "result", ""), "unknown");
    assert_string_equal(json_get_str(r, "hint", ""), "set POST: 1");
    assert_true(json_is_null(at(r, "returncode")));
    assert_true(json_is_null(at(r, "downtime_seconds")));
    assert_null(at(r, "borgbackup"));
    json_decref(r);
}

static void long_output_gives_way_so_that_the_rest_is_whole(void **state)
{
    struct aio_outcome o = backed_up();
    mem_free(o.out);
    o.out = mem_alloc(100 * 1024);
    memset(o.out, 'x', 100 * 1024 - 1);
    o.out[100 * 1024 - 1] = '\0';
    const struct aio_wants w = {.daily_backup = true};
    const struct aio_report report = {.context = &context, .wants = &w, .outcome = &o};
    json_t *r = said(&report, aio_report_result, false);
    assert_int_equal(strlen(json_get_str(r, "stdout", "")), AIO_STREAM_TAIL);
    json_decref(r);
    memset(o.out, 1, 100 * 1024 - 1); /* each becomes six bytes */
    r = said(&report, aio_report_result, false);
    assert_string_equal(json_get_str(r, "stdout", "?"), "");
    assert_int_equal(json_get_int(at(at(r, "borgbackup"), "after"), "ExitCode", -1), 0);
    json_decref(r);
    done(&o);
}

static void what_the_next_start_is_told_comes_back(void **state)
{
    const struct aio_wants w = {
        .daily_backup = true,
        .automatic_updates = true,
        .restore_after = true,
        .target_count = 2,
        .targets = {{.host_location = "/mnt/other"}, {.remote_repo = "u@h:r"}}};
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    aio_report_private(&(struct aio_report){.context = &context, .wants = &w, .previous = &before},
                       &b);
    struct aio_wants again;
    struct aio_target previous;
    bool known = false;
    assert_true(aio_report_parse_private(buf_str(&b), &again, &previous, &known));
    assert_true(known && again.daily_backup && again.automatic_updates && again.restore_after);
    assert_false(again.check_backup || again.stop_containers || again.start_containers);
    assert_int_equal(again.target_count, 2);
    assert_true(aio_target_equal(&again.targets[0], &w.targets[0]));
    assert_true(aio_target_equal(&again.targets[1], &w.targets[1]));
    assert_true(aio_target_equal(&previous, &before));
    assert_false(aio_report_parse_private("[1]", &again, &previous, &known));
    assert_false(aio_report_parse_private(NULL, &again, &previous, &known));
    assert_false(known || again.daily_backup);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_has_the_reference_apis_shape),
        cmocka_unit_test(a_failed_target_is_told_with_the_others),
        cmocka_unit_test(at_the_start_status_has_target_previous_and_env),
        cmocka_unit_test(a_stop_has_the_seeds_word),
        cmocka_unit_test(findings_that_are_not_ok_are_told),
        cmocka_unit_test(long_output_gives_way_so_that_the_rest_is_whole),
        cmocka_unit_test(what_the_next_start_is_told_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
