#include "aio/config/mask.h"
#include "aio/run/downtime.h"
#include "aio/run/dump.h"
#include "aio/run/follow.h"
#include "aio/run/run.h"
#include "aio/run/run_journal.h"
#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/aio-run-XXXXXX";

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static int remove_folder(void **state)
{
    remove_file("aio/run.json");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/aio", folder);
    (void)rmdir(path);
    return rmdir(folder);
}

/* ---- the journal ---- */

static void the_journal_comes_back_as_it_was_written(void **state)
{
    struct err e = {0};
    struct run_journal in = {.job_id = "aio-run:1",
                             .master_id = "m1",
                             .borg_id = "b1",
                             .began_ms = 1234567890123,
                             .stack_was_up = true,
                             .backs_up = true,
                             .target = {.host_location = "/mnt/\"ü\" x"}},
                       out;
    struct aio_context x = {.state_dir = folder};
    char job[AIO_JOB_ID];
    assert_false(run_journal_read(folder, &out, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_false(aio_run_pending(&x, job));
    assert_true(run_journal_drop(folder, &e));

    assert_true(run_journal_write(folder, &in, &e));
    assert_true(run_journal_read(folder, &out, &e));
    assert_string_equal(out.job_id, in.job_id);
    assert_string_equal(out.master_id, in.master_id);
    assert_string_equal(out.borg_id, in.borg_id);
    assert_int_equal(out.began_ms, in.began_ms);
    assert_true(out.stack_was_up && out.backs_up);
    assert_false(out.start_after || out.checks || out.owes_start);
    assert_true(aio_target_equal(&out.target, &in.target));
    assert_true(aio_run_pending(&x, job));
    assert_string_equal(job, "aio-run:1");

    in.start_after = in.owes_start = in.checks = true;
    assert_true(run_journal_write(folder, &in, &e));
    assert_true(run_journal_read(folder, &out, &e));
    assert_true(out.start_after && out.owes_start && out.checks);
    assert_true(run_journal_drop(folder, &e));
    assert_false(aio_run_pending(&x, job));
}

static void a_broken_journal_is_pending_and_no_run_is_begun(void **state)
{
    struct err e = {0};
    struct run_journal j = {0};
    struct aio_context x = {.state_dir = folder};
    char job[AIO_JOB_ID];
    assert_true(run_journal_write(folder, &j, &e));
    write_file("aio/run.json", "{\"job_id\":");
    assert_false(run_journal_read(folder, &j, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_true(aio_run_pending(&x, job));
    assert_string_equal(job, "");
    assert_true(run_journal_drop(folder, NULL));
}

/* ---- the dump ---- */

static void dump_is(const struct aio_container *database, const char *dir, int64_t stopped_ms,
                    bool known, bool clean, const char *part)
{
    char problem[256];
    bool is_clean = !clean;
    assert_int_equal(aio_dump_look(dir, database, stopped_ms, &is_clean, problem, sizeof problem),
                     known);
    assert_int_equal(is_clean, clean);
    if (!strstr(problem, part) || (!*part && *problem))
        fail_msg("not '%s': %s", part, problem);
}

static void a_dump_is_clean_only_when_all_says_so(void **state)
{
    struct aio_container db = {.exit_code = 0, .started_ms = 1000};
    int64_t now = follow_unix_ms();
    dump_is(NULL, folder, now, false, false, "no database");
    dump_is(&db, "", now, false, false, "AIO_DUMP_DIR");
    dump_is(&db, "/no/such/folder", now, true, false, "no database-dump.sql");
    dump_is(&db, folder, now, true, false, "no database-dump.sql");
    write_file("database-dump.sql", "-- x");
    dump_is(&db, folder, now, true, true, "");
    dump_is(&db, folder, 0, true, true, "");
    dump_is(&db, folder, now + 60000, true, false, "older than this stop");
    db.started_ms = now + 60000;
    dump_is(&db, folder, 0, true, false, "older than this stop");
    write_file("export.failed", "");
    dump_is(&db, folder, now, true, false, "export.failed");
    db.exit_code = 137;
    dump_is(&db, folder, now, true, false, "137");
    db.running = true;
    dump_is(&db, folder, now, true, false, "still runs");
    remove_file("export.failed");
    remove_file("database-dump.sql");
}

/* ---- how long it was down ---- */

static void nextcloud_is_down_while_one_of_both_does_not_run(void **state)
{
    struct downtime d;
    downtime_begin(&d, true, true, 1000);
    assert_int_equal(downtime_ms(&d, 5000), 0);
    downtime_event(&d, "nextcloud-aio-redis", false, 1500);
    assert_int_equal(downtime_ms(&d, 5000), 0);
    downtime_event(&d, "nextcloud-aio-apache", false, 2000);
    downtime_event(&d, "nextcloud-aio-nextcloud", false, 3000);
    assert_int_equal(downtime_ms(&d, 5000), 3000);
    downtime_event(&d, "nextcloud-aio-nextcloud", true, 6000);
    assert_int_equal(downtime_ms(&d, 7000), 5000);
    downtime_event(&d, "nextcloud-aio-apache", true, 8000);
    assert_int_equal(downtime_ms(&d, 90000), 6000);
    /* what no event has told, a look does */
    downtime_look(&d, false, true, 0, 10000);
    downtime_look(&d, true, true, 12000, 20000);
    assert_int_equal(downtime_ms(&d, 90000), 8000);
    downtime_look(&d, true, true, 12000, 30000);
    assert_int_equal(downtime_ms(&d, 90000), 8000);

    downtime_begin(&d, false, false, 1000);
    assert_int_equal(downtime_ms(&d, 4000), 3000);
}

/* ---- events ---- */

static void an_event_of_a_container_is_read(void **state)
{
    static const char die[] =
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":"
        "{\"exitCode\":\"137\",\"name\":\"nextcloud-aio-borgbackup\"}},\"timeNano\":1700000000123"
        "456789}";
    static const char *const others[] = {
        "",
        "{}",
        "[]",
        "no json",
        ("{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":"
         "{\"ID\":\"x\",\"Attributes\":{\"name\":\"bridge\"}}}"),
        "{\"Type\":\"container\",\"Action\":7,\"Actor\":[]}",
    };
    struct follow_event ev;
    assert_true(follow_event_read(die, strlen(die), &ev));
    assert_string_equal(ev.action, "die");
    assert_string_equal(ev.name, "nextcloud-aio-borgbackup");
    assert_string_equal(ev.id, "abc");
    assert_int_equal(ev.exit_code, 137);
    assert_int_equal(ev.time_ms, 1700000000123);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(follow_event_read(others[i], strlen(others[i]), &ev));
}

/* ---- secrets ---- */

static void masked(const struct redact *r, const char *text, const char *expected)
{
    struct buf out;
    buf_init(&out, 4096);
    (void)redact_apply(r, text, strlen(text), &out);
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
}

static void aios_secrets_are_masked(void **state)
{
    struct err e = {0};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/configuration.json", folder);
    struct redact *r = redact_new();
    assert_non_null(r);
    assert_true(aio_mask_config(r, path, &e)); /* there is none */
    assert_true(redact_empty(r));
    write_file("configuration.json",
               "{\"password\":\"pass-of-aio\",\"AIO_TOKEN\":\"token-of-aio\",\"domain\":"
               "\"cloud.example.org\",\"borg_restore_password\":\"\",\"borg_remote_repo\":"
               "\"ssh://bob:hunter22@nas/./r\",\"secrets\":{\"A\":\"first-secret\",\"B\":"
               "\"second-secret\",\"C\":7}}");
    assert_true(aio_mask_config(r, path, &e));
    masked(r, "a pass-of-aio b token-of-aio c first-secret d second-secret e hunter22 f",
           "a *** b *** c *** d *** e *** f");
    masked(r, "cloud.example.org bob nas", "cloud.example.org bob nas");
    static const char container[] =
        "{\"Config\":{\"Env\":[\"BORG_PASSWORD=borg-secret\",\"BORG_MODE=backup\",\"PATH=/usr/bin\","
        "\"BORG_REMOTE_REPO=ssh://eve:other-secret@h/r\",7,\"NOTHING\"]}}";
    json_t *inspect = json_parse(container, sizeof container - 1, &e);
    assert_non_null(inspect);
    assert_true(aio_mask_container(r, inspect, &e));
    json_decref(inspect);
    masked(r, "borg-secret backup /usr/bin other-secret eve", "*** backup /usr/bin *** eve");
    redact_free(r);
    remove_file("configuration.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_journal_comes_back_as_it_was_written),
        cmocka_unit_test(a_broken_journal_is_pending_and_no_run_is_begun),
        cmocka_unit_test(a_dump_is_clean_only_when_all_says_so),
        cmocka_unit_test(nextcloud_is_down_while_one_of_both_does_not_run),
        cmocka_unit_test(an_event_of_a_container_is_read),
        cmocka_unit_test(aios_secrets_are_masked),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
