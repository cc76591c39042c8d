#include "aio/run/borg_watch.h"

#include "base/json.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct aio_target local = {.host_location = "/mnt/backup"};
static const struct aio_target remote = {.remote_repo = "ssh://bob@nas/./r"};

static json_t *container(const char *id, const char *mode, const char *bind, const char *repo,
                         const char *status, int code)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "{\"Id\":\"%s\",\"State\":{\"Status\":\"%s\",\"ExitCode\":%d},"
                   "\"HostConfig\":{\"Binds\":[\"x:/root\",\"%s\"]},"
                   "\"Config\":{\"Env\":[\"BORG_MODE=%s\",\"BORG_REMOTE_REPO=%s\"]}}",
                   id, status, code, bind, mode, repo);
    json_t *v = json_parse(text, strlen(text), NULL);
    assert_non_null(v);
    return v;
}

static enum borg_change look(struct borg_watch *b, json_t *inspect, const char *mode,
                             const struct aio_target *t)
{
    enum borg_change c = borg_watch_look(b, inspect, mode, t);
    json_decref(inspect);
    return c;
}

#define LOCAL_BIND "/mnt/backup:/mnt/borgbackup:rw"

static void only_a_new_container_is_ours(void **state)
{
    struct borg_watch b;
    struct aio_evidence ev = {0};
    borg_watch_init(&b);
    json_t *old = container("old", "backup", LOCAL_BIND, "", "exited", 0);
    borg_watch_begin(&b, old);
    assert_string_equal(b.before_id, "old");
    assert_non_null(b.before);
    assert_int_equal(look(&b, json_incref(old), "backup", &local), BORG_SAME);
    borg_watch_evidence(&b, false, &ev);
    assert_true(ev.found && !ev.is_new && !ev.ended);

    assert_int_equal(look(&b, NULL, "backup", &local), BORG_SAME);
    borg_watch_evidence(&b, false, &ev);
    assert_false(ev.found);

    json_t *fresh = container("new", "backup", LOCAL_BIND, "", "created", 0);
    assert_int_equal(look(&b, fresh, "backup", &local), BORG_BEGAN);
    assert_int_equal(
        look(&b, container("new", "backup", LOCAL_BIND, "", "running", 0), "backup", &local),
        BORG_SAME);
    assert_int_equal(
        look(&b, container("new", "backup", LOCAL_BIND, "", "exited", 1), "backup", &local),
        BORG_DIED);
    assert_int_equal(
        look(&b, container("new", "backup", LOCAL_BIND, "", "exited", 1), "backup", &local),
        BORG_SAME);
    assert_int_equal(b.exit_code, 1);
    assert_string_equal(json_get_str(b.after, "Status", ""), "exited");
    assert_string_equal(json_get_str(b.before, "Status", ""), "exited");
    /* one that AIO starts afterwards is not ours any more */
    assert_int_equal(
        look(&b, container("third", "check", LOCAL_BIND, "", "exited", 0), "backup", &local),
        BORG_SAME);
    assert_int_equal(b.exit_code, 1);
    borg_watch_evidence(&b, true, &ev);
    assert_true(ev.found && ev.is_new && ev.ended && ev.mode_as_meant && ev.target_as_meant);
    assert_int_equal(ev.exit_code, 1);
    json_decref(old);
    borg_watch_done(&b);
}

static void one_that_could_not_be_started_has_ended(void **state)
{
    struct borg_watch b;
    borg_watch_init(&b);
    json_t *c = container("new", "backup", LOCAL_BIND, "", "created", 127);
    assert_int_equal(borg_watch_look(&b, c, "backup", &local), BORG_BEGAN);
    assert_int_equal(borg_watch_look(&b, c, "backup", &local), BORG_DIED);
    assert_int_equal(b.exit_code, 127);
    json_decref(c);
    borg_watch_done(&b);
}

static void mode_and_target_are_read_from_the_container(void **state)
{
    static const struct {
        const char *mode, *bind, *repo;
        const struct aio_target *target;
        bool mode_ok, target_ok;
    } rows[] = {
        {"backup", LOCAL_BIND, "", &local, true, true},
        {"check", LOCAL_BIND, "", &local, false, true},
        {"backup", "/mnt/backup2:/mnt/borgbackup:rw", "", &local, true, false},
        {"backup", "/mnt/backup:/mnt/borgbackup2:rw", "", &local, true, false},
        {"backup", LOCAL_BIND, "ssh://bob@nas/./r", &local, true, false},
        {"backup", "y:/y", "ssh://bob@nas/./r", &remote, true, true},
        {"backup", "y:/y", "ssh://bob@nas/./other", &remote, true, false},
        {"backup", LOCAL_BIND, "", &remote, true, false},
        {"backup", LOCAL_BIND, "", NULL, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct borg_watch b;
        borg_watch_init(&b);
        assert_int_equal(
            look(&b, container("n", rows[i].mode, rows[i].bind, rows[i].repo, "running", 0),
                 "backup", rows[i].target),
            BORG_BEGAN);
        assert_int_equal(b.mode_as_meant, rows[i].mode_ok);
        assert_int_equal(b.target_as_meant, rows[i].target_ok);
        borg_watch_done(&b);
    }
}

static void one_of_another_mode_gives_way_to_ours(void **state)
{
    struct borg_watch b;
    borg_watch_init(&b);
    assert_int_equal(
        look(&b, container("a", "list", LOCAL_BIND, "", "running", 0), "backup", &local),
        BORG_BEGAN);
    (void)borg_watch_line(&b, "Backup failed!", 14);
    assert_int_equal(
        look(&b, container("b", "backup", LOCAL_BIND, "", "running", 0), "backup", &local),
        BORG_BEGAN);
    assert_string_equal(b.id, "b");
    assert_int_equal(b.tail.n, 0);
    borg_watch_done(&b);
}

static enum aio_stage say(struct borg_watch *b, const char *line)
{
    return borg_watch_line(b, line, strlen(line));
}

static void the_log_says_how_it_went(void **state)
{
    struct borg_watch b;
    struct aio_evidence ev = {0};
    borg_watch_init(&b);
    assert_int_equal(say(&b, "Starting the backup..."), AIO_BACKING_UP);
    (void)say(&b, "/a: file changed while we backed it up");
    (void)say(&b, "/b: file changed while we backed it up");
    (void)say(&b, "This archive:   1 kB  1 kB  1 kB");
    (void)say(&b, "Deleting the failed backup archive...");
    (void)say(&b, "terminating with warning status, rc 1");
    (void)say(&b, "Backup failed!");
    borg_watch_evidence(&b, true, &ev);
    assert_true(ev.stats && ev.discarded && ev.log_read && !ev.succeeded);
    assert_string_equal(ev.warning, "/a: file changed while we backed it up");
    assert_string_equal(ev.reason, "terminating with warning status, rc 1");
    (void)say(&b, "config.php is missing. Cannot perform backup!");
    (void)say(&b, "database-dump is missing. Cannot perform backup!");
    (void)say(&b, "Backup finished successfully on 01.01.2026 - 04:00:05");
    (void)say(&b, "However a Nextcloud update failed. So …");
    borg_watch_evidence(&b, true, &ev);
    assert_true(ev.succeeded && ev.update_failed);
    assert_string_equal(ev.reason, "config.php is missing. Cannot perform backup!");
    borg_watch_done(&b);
}

static void a_tail_keeps_the_last_lines(void **state)
{
    struct buf t;
    char line[64];
    buf_init(&t, 1000);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(line, sizeof line, "line %d", i);
        aio_tail_add(&t, line, strlen(line));
        assert_false(t.failed);
        assert_true(t.n <= 1000);
        assert_memory_equal(t.p, "line ", 5);
    }
    assert_true(t.n > 400);
    assert_non_null(strstr(t.p, "line 499\n"));
    char longer[3000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 'y';
    aio_tail_add(&t, longer, sizeof longer);
    aio_tail_add(&t, longer, sizeof longer);
    assert_false(t.failed);
    assert_int_equal(t.p[t.n - 2], 'y');
    buf_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_new_container_is_ours),
        cmocka_unit_test(one_that_could_not_be_started_has_ended),
        cmocka_unit_test(mode_and_target_are_read_from_the_container),
        cmocka_unit_test(one_of_another_mode_gives_way_to_ours),
        cmocka_unit_test(the_log_says_how_it_went),
        cmocka_unit_test(a_tail_keeps_the_last_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
