#include "verdict_kit.h"

#include "backup/locks/lock_holder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void the_holder_of_a_lock_is_read_and_told(void **state)
{
    char dir[] = "/tmp/verdict_test.XXXXXX";
    char lock[64];
    char file[128];
    char line[512];
    char words[256];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(lock, sizeof lock, "%s/lock.exclusive", dir);
    (void)snprintf(file, sizeof file, "%s/else.where@3281355014145.4242-0", lock);
    assert_false(lock_holder(lock, words, sizeof words));
    assert_int_equal(mkdir(lock, 0700), 0);
    assert_false(lock_holder(lock, words, sizeof words));
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_true(lock_holder(lock, words, sizeof words));
    assert_non_null(strstr(words, "held by process 4242 on else.where since 20"));

    struct verdict *v = verdict_new();
    (void)snprintf(line, sizeof line,
                   ERROR("LockTimeout", "Failed to create/acquire the lock %s (timeout)."), lock);
    assert_null(verdict_lock(v));
    hear(v, line);
    verdict_exit(v, 73, 0);
    assert_string_equal(verdict_lock(v), lock);
    verdict_lock_holder(v, words);
    assert_non_null(strstr(result_of(v).sentence, "lock.exclusive, held by process 4242 on "));
    verdict_free(v);
    (void)unlink(file);
    (void)rmdir(lock);

    (void)snprintf(file, sizeof file, "%s/lock.roster", dir);
    (void)snprintf(lock, sizeof lock, "%s/lock", dir);
    f = fopen(file, "we");
    assert_non_null(f);
    assert_true(fputs("{\"shared\": [[\"vm@3281355014145\", 1512, 0]]}", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_true(lock_holder(lock, words, sizeof words));
    assert_int_equal(strncmp(words, "held by process 1512 on vm since 20", 35), 0);
    (void)unlink(file);
    (void)rmdir(dir);
    assert_false(lock_holder(lock, words, sizeof words));
    assert_false(lock_holder("lock.exclusive", words, sizeof words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_holder_of_a_lock_is_read_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
