#include "aio/target.h"

#include "base/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], aio[128], state[128], config[256];
static struct aio_context x;
static struct err e;

static const struct aio_target main_target = {.host_location = "/mnt/main"},
                               other = {.host_location = "/mnt/other"},
                               far = {.remote_repo = "ssh://u@h:22/./r"},
                               volume = {.host_location = "some_volume"}, none;

/* ---- files ---- */

static void put(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", aio, name);
    if (!text) {
        (void)unlink(path);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

/* "" for an empty file, "-" for none. */
static const char *get(const char *name)
{
    static char text[2][4096];
    static size_t turn;
    char path[512], *into = text[turn++ % 2];
    (void)snprintf(path, sizeof path, "%s/%s", aio, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return "-";
    ssize_t n = read(fd, into, sizeof *text - 1);
    (void)close(fd);
    into[n > 0 ? n : 0] = '\0';
    return into;
}

static void put_config(const struct aio_target *t)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "{\n    \"borg_backup_host_location\": \"%s\",\n"
                   "    \"borg_remote_repo\": \"%s\",\n    \"AIO_TOKEN\": \"1\"\n}",
                   t->host_location, t->remote_repo);
    put("configuration.json", text);
}

static void assert_target(const struct aio_target *t)
{
    struct aio_settings now;
    assert_true(config_file_read(config, &now, &e));
    assert_string_equal(now.target.host_location, t->host_location);
    assert_string_equal(now.target.remote_repo, t->remote_repo);
}

static size_t names_in(const char *path, const char *begin, bool removed)
{
    size_t n = 0;
    char at[600];
    DIR *d = opendir(path);
    for (const struct dirent *one; d && (one = readdir(d)) != NULL;) {
        if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0 ||
            strncmp(one->d_name, begin, strlen(begin)) != 0)
            continue;
        n++;
        (void)snprintf(at, sizeof at, "%s/%s", path, one->d_name);
        if (removed)
            (void)unlink(at);
    }
    if (d)
        (void)closedir(d);
    return n;
}

static int setup(void **unused)
{
    (void)snprintf(folder, sizeof folder, "/tmp/target-test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(aio, sizeof aio, "%s/data", folder);
    (void)snprintf(state, sizeof state, "%s/state", folder);
    (void)snprintf(config, sizeof config, "%s/configuration.json", aio);
    assert_int_equal(mkdir(aio, 0700), 0);
    assert_int_equal(mkdir(state, 0700), 0);
    x = (struct aio_context){.config_file = config, .state_dir = state};
    memset(&e, 0, sizeof e);
    put_config(&main_target);
    put("borg.config", "key of main");
    put("backup_archives.list", "archives of main");
    return 0;
}

static int teardown(void **unused)
{
    char own[256];
    (void)umount2(aio, MNT_DETACH);
    (void)names_in(aio, "", true);
    (void)snprintf(own, sizeof own, "%s/aio", state);
    (void)names_in(own, "", true);
    (void)rmdir(own);
    (void)rmdir(state);
    (void)rmdir(aio);
    return rmdir(folder);
}

static size_t own_files(const char *begin)
{
    char own[256];
    (void)snprintf(own, sizeof own, "%s/aio", state);
    return names_in(own, begin, false);
}

/* ---- what a run does ---- */

static bool switch_to(const struct aio_target *t)
{
    struct target_journal j = {
        .job_id = "aio-run-for-target:1", .intended = *t, .stack_was_up = true};
    return target_switch(&x, &j, &e);
}

/* AIO's borgbackup for whatever target is set. */
static void run(const char *name, bool ok)
{
    char text[128];
    (void)snprintf(text, sizeof text, "key of %s", name);
    if (strcmp(get("borg.config"), "-") == 0)
        put("borg.config", ok ? text : NULL);
    (void)snprintf(text, sizeof text, "archives of %s", name);
    put("backup_archives.list", text);
}

static void assert_as_found(void)
{
    assert_target(&main_target);
    assert_string_equal(get("borg.config"), "key of main");
    assert_string_equal(get("backup_archives.list"), "archives of main");
    assert_int_equal(names_in(aio, "", false), 3);
}

static void assert_over(void)
{
    struct target_journal j;
    assert_false(target_journal_read(&x, &j, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(own_files("original."), 0);
    assert_int_equal(own_files("journal"), 0);
}

static void put_back_and_finish(void)
{
    if (!target_put_back(&x, &e))
        fail_msg("%s", e.msg);
    if (!target_finish(&x, &e))
        fail_msg("%s", e.msg);
    assert_over();
}

/* ---- tests ---- */

static void a_first_backup_has_no_borg_config_and_the_next_its_own(void **unused)
{
    for (int i = 0; i < 2; i++) {
        assert_true(switch_to(&other));
        assert_target(&other);
        assert_string_equal(get("borg.config"), i ? "key of other" : "-");
        run("other", true);
        put_back_and_finish();
        assert_as_found();
    }
}

static void the_journal_says_what_a_later_start_needs(void **unused)
{
    struct target_journal j;
    assert_true(switch_to(&far));
    assert_true(target_journal_read(&x, &j, &e));
    assert_string_equal(j.job_id, "aio-run-for-target:1");
    assert_true(aio_target_equal(&j.original, &main_target));
    assert_true(aio_target_equal(&j.intended, &far));
    assert_true(j.stack_was_up && !j.start_after);
    (void)snprintf(j.borg_id, sizeof j.borg_id, "abc");
    j.start_after = true;
    j.original = none; /* is not taken */
    assert_true(target_journal_write(&x, &j, &e));
    assert_true(target_journal_read(&x, &j, &e));
    assert_string_equal(j.borg_id, "abc");
    assert_true(j.start_after && aio_target_equal(&j.original, &main_target));
    struct stat st;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/aio", state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof path, "%s/aio/original.borg.config", state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    put_back_and_finish();
    assert_as_found();
}

static void while_it_is_switched_nobody_else_switches(void **unused)
{
    assert_true(switch_to(&other));
    assert_false(switch_to(&far));
    assert_int_equal(e.code, ERR_TARGET_SWITCHED);
    assert_false(target_set(&x, &far, NULL, &e));
    assert_int_equal(e.code, ERR_TARGET_SWITCHED);
    assert_target(&other);
    assert_false(target_finish(&x, &e)); /* before it was put back */
    assert_int_equal(e.code, ERR_TARGET_SWITCHED);
    put_back_and_finish();
    assert_as_found();
}

static void without_a_journal_there_is_nothing_to_do(void **unused)
{
    assert_true(target_put_back(&x, &e) && target_finish(&x, &e) && target_stay(&x, &e));
    assert_false(target_switch_next(&x, &other, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_as_found();
}

static void a_volume_and_an_empty_original_are_originals(void **unused)
{
    const struct aio_target *const originals[] = {&volume, &none};
    for (size_t i = 0; i < 2; i++) {
        put_config(originals[i]);
        put("borg.config", i ? NULL : "key of volume");
        put("backup_archives.list", i ? NULL : "");
        assert_true(switch_to(&other));
        run("other", true);
        put_back_and_finish();
        assert_target(originals[i]);
        assert_string_equal(get("borg.config"), i ? "-" : "key of volume");
        assert_string_equal(get("backup_archives.list"), i ? "-" : "");
    }
}

static void aios_own_target_keeps_what_its_run_wrote(void **unused)
{
    assert_true(switch_to(&main_target));
    assert_as_found();
    put("backup_archives.list", "archives of main, one more");
    put_back_and_finish();
    assert_target(&main_target);
    assert_string_equal(get("backup_archives.list"), "archives of main, one more");
    assert_true(switch_to(&main_target));
    put("borg.config", NULL); /* lost by the run */
    put_back_and_finish();
    assert_string_equal(get("borg.config"), "key of main");
}

static void a_first_run_of_aios_own_target_makes_its_files(void **unused)
{
    put("borg.config", NULL);
    put("backup_archives.list", NULL);
    assert_true(switch_to(&main_target));
    run("main", true);
    put_back_and_finish();
    assert_as_found();
}

static void several_targets_of_one_downtime(void **unused)
{
    assert_true(switch_to(&other));
    run("other", true);
    assert_true(target_switch_next(&x, &main_target, &e));
    assert_as_found();
    put("backup_archives.list", "archives of main, one more");
    assert_true(target_switch_next(&x, &far, &e));
    assert_target(&far);
    assert_string_equal(get("borg.config"), "-");
    run("far", false);
    assert_true(target_switch_next(&x, &other, &e));
    assert_string_equal(get("borg.config"), "key of other");
    put_back_and_finish();
    assert_target(&main_target);
    assert_string_equal(get("borg.config"), "key of main");
    assert_string_equal(get("backup_archives.list"), "archives of main, one more");
}

static void a_first_backup_that_failed_is_not_refused_for_ever(void **unused)
{
    assert_true(switch_to(&other));
    run("other", false);
    assert_true(target_initialised(&x, &e));
    put_back_and_finish();
    assert_as_found();
    assert_true(switch_to(&other));
    assert_string_equal(get("borg.config"), "");
    put("borg.config", "key of other");
    put_back_and_finish();
    assert_true(switch_to(&other));
    assert_string_equal(get("borg.config"), "key of other");
    assert_true(target_initialised(&x, &e)); /* one is kept: it stays */
    put_back_and_finish();
    assert_true(switch_to(&other));
    assert_string_equal(get("borg.config"), "key of other");
    put_back_and_finish();
}

static void putting_back_again_changes_nothing(void **unused)
{
    assert_true(switch_to(&other));
    run("other", true);
    assert_true(target_put_back(&x, &e) && target_put_back(&x, &e));
    assert_as_found();
    put_config(&other); /* a writer of AIO had the old keys in hand */
    assert_true(target_put_back(&x, &e));
    assert_as_found();
    put_config(&other);
    put("borg.config", NULL);
    assert_true(target_finish(&x, &e));
    assert_as_found();
    assert_over();
    assert_true(switch_to(&other));
    assert_string_equal(get("borg.config"), "key of other"); /* not main's */
    put_back_and_finish();
}

static void what_somebody_else_has_set_meanwhile_stays(void **unused)
{
    assert_true(switch_to(&other));
    put_config(&far);
    put_back_and_finish();
    assert_target(&far);
    assert_string_equal(get("borg.config"), "key of main");
}

static void a_target_may_stay(void **unused)
{
    assert_true(switch_to(&other));
    run("other", true);
    assert_true(target_stay(&x, &e));
    assert_over();
    assert_target(&other);
    assert_string_equal(get("borg.config"), "key of other");
    assert_string_equal(get("backup_archives.list"), "archives of other");
    assert_true(switch_to(&main_target)); /* its own was kept */
    assert_string_equal(get("borg.config"), "key of main");
    put_back_and_finish();
}

static void a_target_set_for_good_brings_its_files(void **unused)
{
    struct aio_target before;
    assert_true(target_set(&x, &far, &before, &e));
    assert_true(aio_target_equal(&before, &main_target));
    assert_over();
    assert_target(&far);
    assert_string_equal(get("borg.config"), "-");
    assert_string_equal(get("backup_archives.list"), "-");
    run("far", true);
    assert_true(target_set(&x, &far, &before, &e));
    assert_true(aio_target_equal(&before, &far));
    assert_string_equal(get("borg.config"), "key of far");
    assert_over();
    assert_true(target_set(&x, &main_target, &before, &e));
    assert_as_found();
    assert_true(target_set(&x, &far, &before, &e));
    assert_string_equal(get("borg.config"), "key of far");
    assert_string_equal(get("backup_archives.list"), "archives of far");
}

static void a_file_put_back_has_its_owner_and_mode(void **unused)
{
    char path[256];
    struct stat st;
    bool root = geteuid() == 0;
    (void)snprintf(path, sizeof path, "%s/borg.config", aio);
    assert_int_equal(root ? chown(path, 33, 34) : 0, 0);
    assert_int_equal(chmod(path, 0604), 0);
    assert_true(switch_to(&other));
    run("other", true);
    put_back_and_finish();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    assert_true(!root || (st.st_uid == 33 && st.st_gid == 34));
}

static void without_aio_nothing_begins(void **unused)
{
    put("configuration.json", NULL);
    assert_false(switch_to(&other));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.field, "AIO_CONFIG_FILE");
    assert_over();
    put("configuration.json", "{ half");
    assert_false(target_set(&x, &other, NULL, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_over();
    assert_string_equal(get("configuration.json"), "{ half");
    assert_string_equal(get("borg.config"), "key of main");
}

static void a_journal_that_cannot_be_read_stands(void **unused)
{
    static const char *const bad[] = {"", "{", "{}", "[]", "{\"phase\":\"switched\"}"};
    assert_true(switch_to(&other));
    char path[512];
    (void)snprintf(path, sizeof path, "../state/aio/journal.json");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(path, bad[i]);
        struct target_journal j;
        assert_false(target_journal_read(&x, &j, &e));
        assert_int_equal(e.code, ERR_UNAVAILABLE);
        assert_string_equal(e.field, "STATE_DIR");
        assert_false(target_put_back(&x, &e));
        assert_false(switch_to(&far));
        assert_int_equal(e.code, ERR_TARGET_SWITCHED);
        assert_target(&other);
    }
}

/* Takes every byte that is left where AIO's folder is. */
static void fill(void)
{
    static const char zeros[4096];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/filler", aio);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    (void)close(fd);
}

static void a_full_disk_switches_nothing(void **unused)
{
    if (mount("tmpfs", aio, "tmpfs", MS_NOSUID, "size=64k,mode=0700") != 0)
        skip();
    char text[12000];
    (void)snprintf(text, sizeof text,
                   "{\n    \"borg_backup_host_location\": \"/mnt/main\",\n    \"x\": \"%0*d\"\n}",
                   11000, 0); /* more than a borg.config that is taken away leaves room for */
    put("configuration.json", text);
    put("borg.config", "key of main");
    put("backup_archives.list", "archives of main");
    fill();
    assert_false(switch_to(&other));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_string_equal(e.field, "AIO_CONFIG_FILE");
    assert_non_null(strstr(e.msg, "No space left"));
    put("filler", NULL);
    assert_as_found();
    assert_over();
    fill();
    assert_false(target_set(&x, &far, NULL, &e));
    assert_non_null(strstr(e.msg, "No space left"));
    put("filler", NULL);
    assert_as_found();
    assert_over();
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        T(a_first_backup_has_no_borg_config_and_the_next_its_own),
        T(the_journal_says_what_a_later_start_needs),
        T(while_it_is_switched_nobody_else_switches),
        T(without_a_journal_there_is_nothing_to_do),
        T(a_volume_and_an_empty_original_are_originals),
        T(aios_own_target_keeps_what_its_run_wrote),
        T(a_first_run_of_aios_own_target_makes_its_files),
        T(several_targets_of_one_downtime),
        T(a_first_backup_that_failed_is_not_refused_for_ever),
        T(putting_back_again_changes_nothing),
        T(what_somebody_else_has_set_meanwhile_stays),
        T(a_target_may_stay),
        T(a_target_set_for_good_brings_its_files),
        T(a_file_put_back_has_its_owner_and_mode),
        T(without_aio_nothing_begins),
        T(a_journal_that_cannot_be_read_stands),
        T(a_full_disk_switches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
