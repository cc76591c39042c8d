/* Keys that are exchanged, and every state in which a crash can leave an exchange. */
#include "backup/ssh/sshkeys.h"

#include "backup/ssh/sshkeys_change.h"
#include "backup/ssh/sshkeys_folder.h"
#include "base/mem.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sshkeys.XXXXXX", dir[64], work[96];
static struct sshkey_public old_key, new_key;

static void keygen(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "t", "-f", path,
               (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static char *at(const char *where, const char *name)
{
    static char paths[8][256];
    static unsigned n;
    char *path = paths[n++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", where, name);
    return path;
}

static int open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct sshkey_public private_of(const char *where, const char *name)
{
    struct sshkeys_file f;
    int fd = open_folder(where);
    sshkeys_look(fd, name, false, &f);
    (void)close(fd);
    return f.key.pub;
}

static struct sshkey_public public_of(const char *where, const char *name)
{
    struct sshkeys_file f;
    int fd = open_folder(where);
    sshkeys_look(fd, name, true, &f);
    (void)close(fd);
    return f.key.pub;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void clear(void)
{
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A key k1 in place, and another one that waits. */
static void begin(void)
{
    clear();
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(work, 0700), 0);
    keygen(at(dir, "id_k1"));
    keygen(at(work, "id_k1.next"));
    old_key = private_of(dir, "id_k1");
    new_key = private_of(work, "id_k1.next");
    assert_true(old_key.blob_len > 0 && new_key.blob_len > 0);
}

static int setup(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(dir, sizeof dir, "%s/ssh", folder);
    (void)snprintf(work, sizeof work, "%s/" SSHKEYS_WORK, dir);
    return 0;
}

static int teardown(void **state)
{
    clear();
    return rmdir(folder);
}

static void assert_in_place(const struct sshkey_public *key)
{
    struct sshkey_public private = private_of(dir, "id_k1"), pub = public_of(dir, "id_k1.pub");
    assert_true(sshkey_same(&private, key));
    assert_true(sshkey_same(&pub, key));
}

static void aside_name(char name[SSHKEYS_NAME], const char *after)
{
    (void)snprintf(name, SSHKEYS_NAME, "id_k1.old-%lld%s", (long long)time(NULL), after);
}

/* The exchange as sshkeys_change does it, `steps` of its four steps. */
static void exchange_partly(const char *from, int steps)
{
    char key[SSHKEYS_NAME], pub[SSHKEYS_NAME], from_pub[SSHKEYS_NAME + 4];
    aside_name(key, "");
    aside_name(pub, ".pub");
    (void)snprintf(from_pub, sizeof from_pub, "%s.pub", from);
    if (steps > 0)
        assert_int_equal(link(at(dir, "id_k1"), at(work, key)), 0);
    if (steps > 1)
        assert_int_equal(link(at(dir, "id_k1.pub"), at(work, pub)), 0);
    if (steps > 2)
        assert_int_equal(unlink(at(dir, "id_k1.pub")), 0);
    if (steps > 3)
        assert_int_equal(rename(at(work, from), at(dir, "id_k1")), 0);
    if (steps > 4)
        assert_int_equal(rename(at(work, from_pub), at(dir, "id_k1.pub")), 0);
}

static bool there(const char *where, const char *name)
{
    return access(at(where, name), F_OK) == 0;
}

static void a_crash_before_the_rename_leaves_the_old_key_and_after_it_the_new(void **state)
{
    for (int steps = 0; steps <= 5; steps++) {
        struct err e = {0};
        char key[SSHKEYS_NAME];
        begin();
        exchange_partly("id_k1.next", steps);
        aside_name(key, "");
        struct sshkey_public now = private_of(dir, "id_k1");
        assert_true(sshkey_same(&now, steps < 4 ? &old_key : &new_key)); /* never none */
        assert_true(sshkeys_mend(dir, &e));
        assert_in_place(steps < 4 ? &old_key : &new_key);
        assert_int_equal(there(work, "id_k1.next"), steps < 4);
        assert_int_equal(there(work, "id_k1.next.pub"), steps < 4);
        if (steps < 4)
            assert_false(there(work, key));
    }
}

static void a_crash_in_a_rollback_leaves_a_whole_key(void **state)
{
    for (int steps = 0; steps <= 5; steps++) {
        struct err e = {0};
        char from[SSHKEYS_NAME], from_pub[SSHKEYS_NAME];
        begin();
        (void)snprintf(from, sizeof from, "id_k1.old-%lld", (long long)time(NULL) - 100);
        (void)snprintf(from_pub, sizeof from_pub, "id_k1.old-%lld.pub",
                       (long long)time(NULL) - 100);
        assert_int_equal(rename(at(work, "id_k1.next"), at(work, from)), 0);
        assert_int_equal(rename(at(work, "id_k1.next.pub"), at(work, from_pub)), 0);
        exchange_partly(from, steps);
        assert_true(sshkeys_mend(dir, &e));
        assert_in_place(steps < 4 ? &old_key : &new_key);
    }
}

static void a_crash_in_a_deletion_leaves_a_whole_key_or_none(void **state)
{
    for (int steps = 0; steps <= 3; steps++) {
        struct err e = {0};
        begin();
        exchange_partly("", steps);
        assert_true(sshkeys_mend(dir, &e));
        assert_in_place(&old_key);
    }
}

static void a_key_that_waits_comes_into_place_and_goes_back(void **state)
{
    struct buf b;
    struct err e = {0};
    begin();
    buf_init(&b, LIMIT_RECORD);
    assert_false(sshkeys_place(dir, "k1", false, &b, &e));
    assert_int_equal(e.code, ERR_ALREADY_EXISTS);
    assert_in_place(&old_key);
    assert_true(sshkeys_place(dir, "k1", true, &b, &e));
    assert_in_place(&new_key);
    assert_true(sshkeys_rollback(dir, "k1", &b, &e));
    assert_in_place(&old_key);
    assert_true(sshkeys_rollback(dir, "k1", &b, &e));
    assert_in_place(&new_key);
    assert_true(sshkeys_delete(dir, "k1", &b, &e));
    assert_false(there(dir, "id_k1") || there(dir, "id_k1.pub"));
    assert_false(sshkeys_delete(dir, "k1", &b, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(sshkeys_rollback(dir, "k1", &b, &e));
    assert_in_place(&new_key);
    buf_done(&b);
}

/* The name of what is aside is its time: one of a faster clock is not newer than what comes now. */
static void what_was_replaced_last_comes_back_first(void **state)
{
    struct buf b;
    struct err e = {0};
    char earlier[SSHKEYS_NAME];
    begin();
    buf_init(&b, LIMIT_RECORD);
    (void)snprintf(earlier, sizeof earlier, "id_k1.old-%lld", (long long)time(NULL) + 60);
    keygen(at(work, earlier));
    assert_true(sshkeys_place(dir, "k1", true, &b, &e));
    assert_in_place(&new_key);
    assert_true(sshkeys_rollback(dir, "k1", &b, &e));
    assert_in_place(&old_key);
    assert_true(sshkeys_delete(dir, "k1", &b, &e));
    assert_true(sshkeys_rollback(dir, "k1", &b, &e));
    assert_in_place(&old_key);
    buf_done(&b);
}

static void names_in_the_work_folder_are_read_from_the_right(void **state)
{
    struct sshkeys_aside a;
    assert_true(sshkeys_aside_parse("id_k1.old-1700000000", &a));
    assert_string_equal(a.label, "k1");
    assert_int_equal(a.at, 1700000000);
    assert_false(a.pub || a.next);
    assert_true(sshkeys_aside_parse("id_a.old-5.old-17.pub", &a));
    assert_string_equal(a.label, "a.old-5");
    assert_true(a.pub && a.at == 17);
    assert_true(sshkeys_aside_parse("id_k.next.pub", &a));
    assert_true(a.pub && a.next);
    assert_string_equal(a.label, "k");
    static const char *const none[] = {"",         "id_",          "id_.next",   "id_k1",
                                       "new-1",    "id_k.old-",    "id_k.old-x", "id_.old-5",
                                       "id_k.pub", "id_k.old-1x",  ".next",      ".old-5",
                                       "id_.pub",  "id_.next.pub", "x_k.next"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(sshkeys_aside_parse(none[i], &a));
}

static void the_line_holds_only_what_a_shell_reads_as_it_stands(void **state)
{
    struct buf b;
    struct err e = {0};
    begin();
    buf_init(&b, 2 * SSHKEY_LINE);
    assert_true(sshkeys_authorized(&old_key, "/srv/it is", "me", &b, &e));
    assert_ptr_equal(strstr(buf_str(&b), "command=\"borg serve --restrict-to-path '/srv/it is'\","
                                         "restrict ssh-ed25519 "),
                     buf_str(&b));
    static const char *const bad[] = {"a", "-a", "", "/'", "/\"", "/\\", "/$", "/`", "/!", "/\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(sshkeys_authorized(&old_key, bad[i], NULL, &b, &e));
        assert_string_equal(e.field, "restrict_to_path");
    }
    assert_false(sshkeys_authorized(&old_key, NULL, "a\nssh-ed25519", &b, &e));
    assert_string_equal(e.field, "comment");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_before_the_rename_leaves_the_old_key_and_after_it_the_new),
        cmocka_unit_test(a_crash_in_a_rollback_leaves_a_whole_key),
        cmocka_unit_test(a_crash_in_a_deletion_leaves_a_whole_key_or_none),
        cmocka_unit_test(a_key_that_waits_comes_into_place_and_goes_back),
        cmocka_unit_test(what_was_replaced_last_comes_back_first),
        cmocka_unit_test(names_in_the_work_folder_are_read_from_the_right),
        cmocka_unit_test(the_line_holds_only_what_a_shell_reads_as_it_stands),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
