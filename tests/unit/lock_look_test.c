#include "backup/locks/lock_look.h"
#include "base/mem.h"
#include "limits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char repo[64];
static const struct lock_host us = {.id = "vm@1"};

static void put(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", repo, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void take(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", repo, name);
    (void)(remove(path));
}

static int make_repo(void **state)
{
    char path[256];
    (void)snprintf(repo, sizeof repo, "/tmp/lock_look.XXXXXX");
    assert_non_null(mkdtemp(repo));
    put("config", "[repository]\n");
    (void)snprintf(path, sizeof path, "%s/lock.exclusive", repo);
    return mkdir(path, 0700);
}

static int drop_repo(void **state)
{
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf %s", repo);
    return system(line);
}

static pid_t dead_pid(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void look(struct lock_state *s, const struct lock_host *host)
{
    lock_look(repo, host, s);
}

static void an_empty_lock_folder_holds_nothing(void **state)
{
    struct lock_state s;
    look(&s, &us);
    assert_int_equal(s.word, LOCK_FREE);
    assert_true(s.readers_seen);
}

static void a_holder_is_judged_as_borg_judges(void **state)
{
    struct lock_state s;
    struct lock_host blind = us;
    char name[128];
    blind.blind = true;
    (void)snprintf(name, sizeof name, "lock.exclusive/vm@1.%d-0", (int)getpid());
    put(name, "");
    look(&s, &us);
    assert_int_equal(s.exclusive[0].life, LOCK_ALIVE);
    assert_true(s.exclusive[0].since > 1000000000);
    look(&s, &(struct lock_host){.id = "vm@2"}); /* another host */
    assert_int_equal(s.exclusive[0].life, LOCK_UNKNOWN);
    look(&s, &(struct lock_host){.id = ""}); /* who we are is not known */
    assert_int_equal(s.exclusive[0].life, LOCK_UNKNOWN);
    take(name);

    (void)snprintf(name, sizeof name, "lock.exclusive/vm@1.%d-0", (int)dead_pid());
    put(name, "");
    look(&s, &us);
    assert_int_equal(s.word, LOCK_LOCKED);
    assert_int_equal(s.exclusive[0].life, LOCK_DEAD);
    assert_true(lock_all_dead(&s));
    look(&s, &blind);
    assert_int_equal(s.exclusive[0].life, LOCK_UNKNOWN);
    take(name);

    (void)snprintf(name, sizeof name, "lock.exclusive/vm@1.%d-1", (int)dead_pid());
    put(name, ""); /* a thread of its own: borg never removes such a lock */
    look(&s, &us);
    assert_int_equal(s.exclusive[0].life, LOCK_UNKNOWN);
    take(name);
}

static void a_lock_that_only_stands_while_the_roster_is_edited_is_waited_for(void **state)
{
    struct lock_state s;
    char name[128];
    (void)snprintf(name, sizeof name, "lock.exclusive/vm@1.%d-0", (int)getpid());
    put(name, "");
    pid_t pid = fork();
    if (pid == 0) {
        (void)usleep(LOCK_SETTLE_MS * 1000 / 2);
        take(name);
        _exit(0);
    }
    look(&s, &us);
    assert_int_equal(s.word, LOCK_FREE);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void readers_are_seen(void **state)
{
    struct lock_state s;
    char text[128];
    (void)snprintf(text, sizeof text, "{\"shared\": [[\"vm@1\", %d, 0]]}", (int)getpid());
    put("lock.roster", text);
    look(&s, &us);
    assert_int_equal(s.word, LOCK_LOCKED);
    assert_int_equal(s.exclusive_count, 0);
    assert_int_equal(s.shared[0].life, LOCK_ALIVE);
    assert_true(s.shared[0].since > 1000000000);
    take("lock.roster");
}

static void what_cannot_be_read_is_not_known(void **state)
{
    struct lock_state s;
    char target[256];
    AUTO_FREE char *large = mem_alloc(LOCK_ROSTER + 2);
    memset(large, ' ', LOCK_ROSTER + 1);
    large[LOCK_ROSTER + 1] = '\0';
    put("lock.roster", large);
    look(&s, &us);
    assert_int_equal(s.word, LOCK_NOT_KNOWN);
    assert_non_null(strstr(s.problem, "lock.roster cannot be read"));
    take("lock.roster");

    (void)snprintf(target, sizeof target, "%s/lock.roster", repo);
    assert_int_equal(mkfifo(target, 0600), 0); /* must not make us wait */
    look(&s, &us);
    assert_int_equal(s.word, LOCK_NOT_KNOWN);
    take("lock.roster");

    take("lock.exclusive");
    put("lock.exclusive", "");
    look(&s, &us);
    assert_int_equal(s.word, LOCK_NOT_KNOWN);
    take("lock.exclusive");

    take("config");
    look(&s, &us);
    assert_int_equal(s.word, LOCK_NOT_KNOWN);
    assert_non_null(strstr(s.problem, "no repository"));
    lock_look("/nonexistent/repo", &us, &s);
    assert_int_equal(s.word, LOCK_NOT_KNOWN);
    assert_non_null(strstr(s.problem, "No such file"));
}

static void we_are_who_borg_is(void **state)
{
    struct lock_host host;
    lock_host_read("given", &host);
    assert_string_equal(host.id, "given");
    lock_host_read(NULL, &host);
    assert_true(host.id[0] == '\0' || strchr(host.id, '@') != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_lock_folder_holds_nothing, make_repo, drop_repo),
        cmocka_unit_test_setup_teardown(a_holder_is_judged_as_borg_judges, make_repo, drop_repo),
        cmocka_unit_test_setup_teardown(
            a_lock_that_only_stands_while_the_roster_is_edited_is_waited_for, make_repo, drop_repo),
        cmocka_unit_test_setup_teardown(readers_are_seen, make_repo, drop_repo),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_known, make_repo, drop_repo),
        cmocka_unit_test(we_are_who_borg_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
