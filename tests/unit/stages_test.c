#include "aio/run/stages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct said {
    const char *line;
    enum aio_stage stage;
    enum aio_mark mark;
};

/* Every line that daily-backup.sh prints on stdout, in its order. */
static void each_line_of_the_script_has_its_stage(void **state)
{
    static const struct said rows[] = {
        {"Daily backup script has started", AIO_STAGE_NONE, AIO_MARK_STARTED},
        {"Initial configuration via AIO interface not done yet. Exiting...", AIO_STAGE_NONE,
         AIO_MARK_NOT_SET_UP},
        {"Backup container is running in restore mode. Exiting to not interrupt the restore...",
         AIO_STAGE_NONE, AIO_MARK_RESTORING},
        {"Daily backup and backup check cannot be run at the same time. Exiting...", AIO_STAGE_NONE,
         AIO_MARK_CONTRADICTION},
        {"APACHE_PORT is not set which is not expected...", AIO_STAGE_NONE, AIO_MARK_NONE},
        {"Waiting for apache to become available", AIO_WAITING_APACHE, AIO_MARK_NONE},
        {"Waiting for watchtower to stop", AIO_WAITING_WATCHTOWER, AIO_MARK_NONE},
        {"Waiting for borgbackup to stop", AIO_WAITING_BORG, AIO_MARK_NONE},
        {"Starting mastercontainer update...", AIO_UPDATING_MASTERCONTAINER, AIO_MARK_NONE},
        {"(The script might get exited due to that. In order to update all the other containers "
         "correctly, you need to run this script with the same settings a second time.)",
         AIO_STAGE_NONE, AIO_MARK_NONE},
        {"Something seems to be wrong: Watchtower should be started at this step.", AIO_STAGE_NONE,
         AIO_MARK_WRONG},
        {"Updating container images...", AIO_PULLING, AIO_MARK_NONE},
        {"Stopping containers...", AIO_STOPPING, AIO_MARK_NONE},
        {"Creating daily backup...", AIO_STOPPING, AIO_MARK_NONE},
        {"Something seems to be wrong: the borg container should be started at this step.",
         AIO_STAGE_NONE, AIO_MARK_WRONG},
        {"Waiting for backup container to stop", AIO_BACKING_UP, AIO_MARK_NONE},
        {"Starting backup check...", AIO_CHECKING, AIO_MARK_NONE},
        {"Starting and updating containers...", AIO_STARTING, AIO_MARK_NONE},
        {"Starting containers without updating them...", AIO_STARTING, AIO_MARK_NONE},
        {"Something seems to be wrong: Nextcloud should be started at this step.", AIO_STAGE_NONE,
         AIO_MARK_WRONG},
        {"Waiting for the Nextcloud container to start", AIO_STARTING, AIO_MARK_NONE},
        {"Nextcloud container restarting. Skipping this check!", AIO_STAGE_NONE, AIO_MARK_NONE},
        {"Sending backup notification...", AIO_NOTIFYING, AIO_MARK_NONE},
        {"Daily backup script has finished", AIO_STAGE_NONE, AIO_MARK_FINISHED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum aio_mark mark = AIO_MARK_WRONG;
        assert_int_equal(aio_script_line(rows[i].line, &mark), rows[i].stage);
        assert_int_equal(mark, rows[i].mark);
        assert_int_equal(aio_script_line(rows[i].line, NULL), rows[i].stage);
    }
}

static void a_line_that_is_only_like_it_means_nothing(void **state)
{
    static const char *const lines[] = {
        "",
        "Daily backup script has finished.",
        " Daily backup script has finished",
        "Daily backup script has finished ",
        "daily backup script has finished",
        "Daily backup script has finishe",
        "+ echo 'Daily backup script has finished'",
        "Daily backup script has started\r",
        "Stopping containers",
        "Stopping containers...Creating daily backup...",
        "Something seems to be wrong:",
        "Waiting for apache to become available...",
        "Backup finished successfully on 01.01.2026 - 04:00:05 (00 hours 00 minutes 05 seconds).",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        enum aio_mark mark = AIO_MARK_WRONG;
        assert_int_equal(aio_script_line(lines[i], &mark), AIO_STAGE_NONE);
        assert_int_equal(mark, AIO_MARK_NONE);
    }
}

static void the_borgbackup_container_tells_how_far_it_is(void **state)
{
    static const struct said rows[] = {
        {"Initializing repository...", AIO_BACKING_UP, AIO_MARK_NONE},
        {"Repository successfully initialized.", AIO_BACKING_UP, AIO_MARK_BORG_INITIALISED},
        {"Performing backup...", AIO_BACKING_UP, AIO_MARK_NONE},
        {"Starting the backup...", AIO_BACKING_UP, AIO_MARK_NONE},
        {"Creating archive at \"/mnt/borgbackup/borg::20260101_040000-nextcloud-aio\"",
         AIO_STAGE_NONE, AIO_MARK_NONE},
        {"This archive:                1.32 kB              1.01 kB              1.01 kB",
         AIO_STAGE_NONE, AIO_MARK_BORG_STATS},
        {"BORG_PRUNE_OPTS are --keep-within=7d", AIO_STAGE_NONE, AIO_MARK_NONE},
        {"Pruning the archives...", AIO_PRUNING, AIO_MARK_NONE},
        {"Compacting the archives...", AIO_COMPACTING, AIO_MARK_NONE},
        {"Starting the backup for additional volumes...", AIO_BACKING_UP, AIO_MARK_NONE},
        {"Compacting additional host mounts...", AIO_COMPACTING, AIO_MARK_NONE},
        {"Checking the backup integrity...", AIO_CHECKING, AIO_MARK_NONE},
        {"Backup finished successfully on 01.01.2026 - 04:00:05 (00 hours 00 minutes 05 seconds).",
         AIO_STAGE_NONE, AIO_MARK_BORG_SUCCEEDED},
        {"Check finished successfully on 01.01.2026 - 04:00:05 (00 hours 00 minutes 05 seconds).",
         AIO_STAGE_NONE, AIO_MARK_BORG_SUCCEEDED},
        {"However a Nextcloud update failed. So reporting that the backup failed which will skip "
         "any update attempt the next time.",
         AIO_STAGE_NONE, AIO_MARK_BORG_UPDATE_FAILED},
        {"Deleting the failed backup archive...", AIO_STAGE_NONE, AIO_MARK_BORG_DISCARDED},
        {"Backup failed!", AIO_STAGE_NONE, AIO_MARK_BORG_FAILED},
        {"/mnt/borgbackup is not a mountpoint which is not allowed.", AIO_STAGE_NONE,
         AIO_MARK_BORG_REASON},
        {"Not continuing because aio-lockfile exists – it seems like a script is externally "
         "running which is locking the backup archive.",
         AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
        {"Reason is that the database export failed the last time.", AIO_STAGE_NONE,
         AIO_MARK_BORG_REASON},
        {"database-dump is missing. Cannot perform backup!", AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
        {"Borg could not get info from the targeted directory.", AIO_STAGE_NONE,
         AIO_MARK_BORG_REASON},
        {"Failed to create/acquire the lock /mnt/borgbackup/borg/lock.exclusive (timeout).",
         AIO_STAGE_NONE, AIO_MARK_BORG_REASON},
        {"/nextcloud_aio_volumes/a: file changed while we backed it up", AIO_STAGE_NONE,
         AIO_MARK_BORG_WARNING},
        {"/nextcloud_aio_volumes/a: stat: [Errno 2] No such file or directory: 'a'", AIO_STAGE_NONE,
         AIO_MARK_BORG_WARNING},
        {"Daily backup script has finished", AIO_STAGE_NONE, AIO_MARK_NONE},
        {" Backup failed!", AIO_STAGE_NONE, AIO_MARK_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum aio_mark mark = AIO_MARK_WRONG;
        assert_int_equal(aio_borg_line(rows[i].line, &mark), rows[i].stage);
        assert_int_equal(mark, rows[i].mark);
    }
}

static void stages_have_their_names(void **state)
{
    for (enum aio_stage s = AIO_PREFLIGHT; s < AIO_STAGES; s++)
        assert_true(aio_stage_name(s)[0] != '\0');
    assert_string_equal(aio_stage_name(AIO_WAITING_APACHE), "waiting_apache");
    assert_string_equal(aio_stage_name(AIO_UPDATING_MASTERCONTAINER), "updating_mastercontainer");
    assert_string_equal(aio_stage_name(AIO_STAGE_NONE), "");
    assert_string_equal(aio_stage_name(AIO_STAGES), "");
    size_t waits = 0;
    for (enum aio_stage s = AIO_STAGE_NONE; s < AIO_STAGES; s++)
        waits += aio_stage_waits(s);
    assert_int_equal(waits, 3);
    assert_true(aio_stage_waits(AIO_WAITING_BORG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_of_the_script_has_its_stage),
        cmocka_unit_test(a_line_that_is_only_like_it_means_nothing),
        cmocka_unit_test(the_borgbackup_container_tells_how_far_it_is),
        cmocka_unit_test(stages_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
