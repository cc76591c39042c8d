#include "control_case.h"

#include "backup/control/control_dir.h"

static unsigned found;

static void on_evidence(void *arg, const char *repository, const char *archive, const char *id,
                        int exit_code)
{
    found++;
    assert_string_equal(repository, "/r");
    assert_string_equal(archive, "a \"quoted\" name");
    assert_string_equal(id, "abc");
    assert_int_equal(exit_code, 1);
}

static void evidence_is_read_back_and_half_files_are_not(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    struct control_evidence ev = {
        .repository = "/r", .archive = "a \"quoted\" name", .id = "abc", .exit_code = 1};
    assert_true(control_dir_write_evidence(t.root, 4711, &ev));
    assert_false(control_dir_write_evidence("/proc/nowhere", 4711, &ev));
    case_write(&t, "evidence-1.json", "{\"archive\": \"x\", \"id\": \"y\"", 0600);
    case_write(&t, "evidence-2.json", "{\"archive\": \"x\", \"id\": \"y\", \"finished\": false}",
               0600);
    case_write(&t, "tmp-3", "{\"archive\": \"x\", \"id\": \"y\", \"finished\": true}", 0600);
    found = 0;
    control_evidence(t.root, on_evidence, NULL);
    assert_int_equal(found, 1);
    control_evidence("/proc/nowhere", on_evidence, NULL);
    assert_int_equal(found, 1);
    case_done(&t);
}

static bool exists(const struct control_case *t, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", t->root, name);
    return access(path, F_OK) == 0;
}

static void a_sweep_removes_what_a_former_life_left_and_nothing_else(void **state)
{
    struct control_case t;
    case_init_fake(&t, FAKE_BORG);
    char *one = control_dir_make(t.root, NULL);
    assert_non_null(one);
    struct stat st;
    assert_int_equal(stat(one, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    struct control_evidence ev = {.repository = "/r", .archive = "a", .id = "i"};
    assert_true(control_dir_write_evidence(one, 1, &ev));
    case_write(&t, "keep", "x", 0600);
    char link[700];
    (void)snprintf(link, sizeof link, "%s/tmp", one); /* what a borgmatic left that was killed */
    for (int depth = 0; depth < 5; depth++) {
        size_t n = strlen(link);
        (void)snprintf(link + n, sizeof link - n, "/d%d", depth);
        assert_int_equal(mkdir(link, 0700), 0);
    }
    (void)snprintf(link, sizeof link, "%s/link", one);
    assert_int_equal(symlink(t.root, link), 0);
    control_sweep(t.root);
    assert_int_equal(access(one, F_OK), -1);
    assert_true(exists(&t, "keep"));
    assert_true(exists(&t, "run"));
    control_sweep("/proc/nowhere");
    mem_free(one);
    case_done(&t);
}

int main(int argc, char **argv)
{
    int small = control_case_main(argc, argv);
    if (small >= 0)
        return small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_read_back_and_half_files_are_not),
        cmocka_unit_test(a_sweep_removes_what_a_former_life_left_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
