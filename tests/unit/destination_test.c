#include "backup/restore/destination.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A root of our own: everything happens below it. */
struct place {
    char root[64];
    char repository[96], state[96];
    const char *repositories[1];
    struct destination_rules rules;
};

static int begin(void **state)
{
    static struct place p;
    (void)snprintf(p.root, sizeof p.root, "/tmp/destination.XXXXXX");
    assert_non_null(mkdtemp(p.root));
    (void)snprintf(p.repository, sizeof p.repository, "%s/repo", p.root);
    (void)snprintf(p.state, sizeof p.state, "%s/deep/state", p.root);
    p.repositories[0] = p.repository;
    p.rules = (struct destination_rules){.roots = p.root,
                                         .state_dir = p.state,
                                         .repositories = p.repositories,
                                         .repository_count = 1,
                                         .field = "destination"};
    *state = &p;
    return 0;
}

static int end(void **state)
{
    struct place *p = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", p->root);
    return system(command); /* NOLINT(cert-env33-c): a fixed command of a test */
}

static char *at(struct place *p, const char *name)
{
    static char path[8][PATH_MAX];
    static unsigned next;
    char *out = path[next++ % 8];
    (void)snprintf(out, PATH_MAX, "%s/%s", p->root, name);
    return out;
}

static void folder(struct place *p, const char *name, mode_t mode)
{
    assert_int_equal(mkdir(at(p, name), 0700), 0);
    assert_int_equal(chmod(at(p, name), mode), 0);
}

static void refused(struct place *p, const char *path, enum destination_kind kind, const char *why)
{
    struct destination d;
    struct err e = {0};
    assert_false(destination_open(&p->rules, path, kind, &d, &e));
    assert_int_equal(d.fd, -1);
    assert_int_equal(e.code, strcmp(why, "exists") == 0 ? ERR_ALREADY_EXISTS : ERR_BAD_REQUEST);
    assert_string_equal(e.field, "destination");
    if (!strstr(e.msg, why))
        fail_msg("%s: %s", path, e.msg);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void an_absent_folder_is_made_for_us_alone(void **state)
{
    struct place *p = *state;
    struct destination d;
    struct stat st;
    assert_true(destination_open(&p->rules, at(p, "a//b/c/"), DESTINATION_FOLDER, &d, NULL));
    assert_string_equal(d.path, at(p, "a/b/c"));
    assert_int_equal(d.made, 3);
    assert_int_equal(stat(at(p, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(destination_stands(&d));
    destination_close(&d);
}

static void what_was_made_and_stayed_empty_goes_again(void **state)
{
    struct place *p = *state;
    struct destination d;
    folder(p, "own", 0700);
    assert_true(destination_open(&p->rules, at(p, "own/x/y"), DESTINATION_FOLDER, &d, NULL));
    destination_discard(&d);
    assert_false(exists(at(p, "own/x")));
    assert_true(exists(at(p, "own")));
    assert_true(destination_open(&p->rules, at(p, "own/x/y"), DESTINATION_FOLDER, &d, NULL));
    int fd = openat(d.fd, "kept", O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    destination_discard(&d);
    assert_true(exists(at(p, "own/x/y/kept")));
}

static void an_empty_folder_is_taken_and_never_removed(void **state)
{
    struct place *p = *state;
    struct destination d;
    folder(p, "empty", 0755);
    assert_true(destination_open(&p->rules, at(p, "empty"), DESTINATION_FOLDER, &d, NULL));
    assert_int_equal(d.made, 0);
    destination_discard(&d);
    assert_true(exists(at(p, "empty")));
}

static void words_that_are_no_place_are_refused(void **state)
{
    struct place *p = *state;
    refused(p, "relative/x", DESTINATION_FOLDER, "absolute");
    refused(p, "", DESTINATION_FOLDER, "absolute");
    refused(p, at(p, "a/../b"), DESTINATION_FOLDER, "..");
    refused(p, at(p, "a/./b"), DESTINATION_FOLDER, "..");
    refused(p, "/etc/x", DESTINATION_FOLDER, "must be within");
    char beside[PATH_MAX];
    (void)snprintf(beside, sizeof beside, "%sx/y", p->root);
    refused(p, beside, DESTINATION_FOLDER, "must be within");
    p->rules.roots = "/tmp:/mnt";
    refused(p, "/etc/x", DESTINATION_FOLDER, "destination must be within /tmp, /mnt");
}

static void links_and_files_in_the_way_are_refused(void **state)
{
    struct place *p = *state;
    folder(p, "real", 0700);
    assert_int_equal(symlink(at(p, "real"), at(p, "link")), 0);
    assert_int_equal(symlink("/nonexistent", at(p, "dangling")), 0);
    refused(p, at(p, "link"), DESTINATION_FOLDER, "link");
    refused(p, at(p, "link/x"), DESTINATION_FOLDER, "link");
    refused(p, at(p, "dangling"), DESTINATION_FOLDER, "link");
    refused(p, at(p, "dangling"), DESTINATION_FILE, "exists");
    refused(p, at(p, "link/x"), DESTINATION_FILE, "link");
    assert_false(exists(at(p, "real/x")));
    int fd = open(at(p, "file"), O_CREAT | O_WRONLY, 0600);
    (void)close(fd);
    refused(p, at(p, "file"), DESTINATION_FOLDER, "no folder");
    refused(p, at(p, "file"), DESTINATION_FILE, "exists");
}

static void a_folder_with_something_in_it_or_open_to_others_is_refused(void **state)
{
    struct place *p = *state;
    folder(p, "full", 0700);
    assert_int_equal(symlink("/etc", at(p, "full/etc")), 0);
    refused(p, at(p, "full"), DESTINATION_FOLDER, "empty");
    folder(p, "open", 0777);
    refused(p, at(p, "open"), DESTINATION_FOLDER, "nobody else");
    folder(p, "theirs", 0755);
    assert_int_equal(chown(at(p, "theirs"), 1234, 1234), 0);
    refused(p, at(p, "theirs"), DESTINATION_FOLDER, "nobody else");
}

static void repositories_and_our_own_folders_are_refused(void **state)
{
    struct place *p = *state;
    refused(p, p->repository, DESTINATION_FOLDER, "repository");
    refused(p, at(p, "repo/new"), DESTINATION_FOLDER, "repository");
    refused(p, at(p, "deep/state/x"), DESTINATION_FOLDER, "repository");
    refused(p, at(p, "deep"), DESTINATION_FOLDER, "repository"); /* above */
    refused(p, at(p, "deep/state"), DESTINATION_FILE, "repository");
    refused(p, at(p, "nextcloud_aio_data/x"), DESTINATION_FOLDER, "Nextcloud AIO");
    p->rules.aio_config_file = at(p, "aio/data/configuration.json");
    refused(p, at(p, "aio/other"), DESTINATION_FOLDER, "Nextcloud AIO");
    assert_false(exists(p->repository));
    /* by another name */
    folder(p, "repo", 0700);
    folder(p, "sub", 0700);
    assert_int_equal(rmdir(at(p, "sub")), 0);
    assert_int_equal(symlink(p->root, "/tmp/destination.root"), 0);
    p->rules.roots = "/tmp/destination.root";
    refused(p, "/tmp/destination.root/repo/x", DESTINATION_FOLDER, "repository");
    assert_int_equal(unlink("/tmp/destination.root"), 0);
}

static void a_new_file_gets_its_folder_and_its_name(void **state)
{
    struct place *p = *state;
    struct destination d;
    assert_true(destination_open(&p->rules, at(p, "out/x.tar"), DESTINATION_FILE, &d, NULL));
    assert_string_equal(d.name, "x.tar");
    assert_int_equal(d.made, 1);
    assert_false(exists(at(p, "out/x.tar")));
    assert_true(destination_stands(&d));
    destination_discard(&d);
    assert_false(exists(at(p, "out")));
    refused(p, p->root, DESTINATION_FILE, "must name a file");
}

static void a_look_makes_nothing(void **state)
{
    struct place *p = *state;
    assert_true(destination_check(&p->rules, at(p, "x/y"), DESTINATION_FOLDER, NULL));
    assert_false(exists(at(p, "x")));
}

static void a_swapped_folder_is_noticed_and_room_is_told(void **state)
{
    struct place *p = *state;
    struct destination d;
    struct err e = {0};
    assert_true(destination_open(&p->rules, at(p, "swap"), DESTINATION_FOLDER, &d, NULL));
    assert_true(destination_room(&d, 1, "destination", &e));
    assert_false(destination_room(&d, INT64_MAX, "destination", &e));
    assert_int_equal(e.code, ERR_NO_SPACE);
    assert_int_equal(rename(at(p, "swap"), at(p, "moved")), 0);
    assert_int_equal(symlink("/etc", at(p, "swap")), 0);
    assert_false(destination_stands(&d));
    destination_discard(&d);
    assert_true(exists(at(p, "moved")));
}

struct opened {
    struct destination d;
    struct err e;
    int calls;
};

static void on_opened(void *arg, struct destination *d, const struct err *e)
{
    struct opened *o = arg;
    o->d = *d;
    o->e = e ? *e : (struct err){0};
    o->calls++;
}

static void a_worker_opens_and_drops(void **state)
{
    struct place *p = *state;
    struct opened o = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_true(destination_open_later(&loop, &p->rules, at(p, "later"), DESTINATION_FOLDER,
                                       on_opened, &o));
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(o.calls, 1);
    assert_true(o.d.fd >= 0);
    destination_drop(&loop, &o.d);
    assert_int_equal(o.d.fd, -1);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(exists(at(p, "later")));
    assert_true(
        destination_open_later(&loop, &p->rules, "/etc/x", DESTINATION_FOLDER, on_opened, &o));
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(o.e.code, ERR_BAD_REQUEST);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_absent_folder_is_made_for_us_alone),
        TEST(what_was_made_and_stayed_empty_goes_again),
        TEST(an_empty_folder_is_taken_and_never_removed),
        TEST(words_that_are_no_place_are_refused),
        TEST(links_and_files_in_the_way_are_refused),
        TEST(a_folder_with_something_in_it_or_open_to_others_is_refused),
        TEST(repositories_and_our_own_folders_are_refused),
        TEST(a_new_file_gets_its_folder_and_its_name),
        TEST(a_look_makes_nothing),
        TEST(a_swapped_folder_is_noticed_and_room_is_told),
        TEST(a_worker_opens_and_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
