/* AIO's configuration under three kinds of hands at once: ours switch the target, another program
 * writes the whole file from a cache as AIO's PHP does (a fixed temporary name, rename, no lock),
 * and readers read it. Never is it unreadable, or of another owner or mode; what we report as set
 * is set unless the other wrote an older cache after it; and the other's own change is never lost,
 * unless config_conflict was reported. TEST_FULL: 100 000 reads and more rounds. */
#include "aio/config/config_file.h"

#include "base/json.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { READERS = 2, READS = 20000, READS_FULL = 100000, ROUNDS = 300, ROUNDS_FULL = 3000 };

static char folder[64], path[128], php_part[160];
static atomic_bool over;
static atomic_ulong reads, conflicts, unreadable;
static uid_t owner;

static bool full_test(void)
{
    const char *v = getenv("TEST_FULL");
    return v && strcmp(v, "1") == 0;
}

static void pause_us(unsigned us)
{
    const struct timespec t = {.tv_nsec = (long)us * 1000};
    (void)ppoll(NULL, 0, &t, NULL);
}

/* ---- the other writer ---- */

static json_t *take(void)
{
    json_error_t e;
    return json_load_file(path, 0, &e);
}

/* As PHP does; with owner and mode, as of the same user and umask. */
static bool php_write(json_t *cache)
{
    char *text = json_dumps(cache, JSON_INDENT(4) | JSON_ENSURE_ASCII);
    int fd = open(php_part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = text ? strlen(text) : 0;
    bool ok = fd >= 0 && n > 0 && write(fd, text, n) == (ssize_t)n &&
              fchown(fd, owner, (gid_t)owner) == 0 && fchmod(fd, 0664) == 0;
    if (fd >= 0)
        (void)close(fd);
    free(text);
    return ok && rename(php_part, path) == 0;
}

struct php {
    unsigned seed;
    unsigned wait_us; /* how long its cache grows old */
    long token;       /* what it writes */
    bool failed;
};

static void php_round(struct php *p)
{
    json_t *cache = take();
    pause_us(p->wait_us);
    p->failed |= !cache || json_object_set_new(cache, "AIO_TOKEN", json_integer(++p->token)) != 0 ||
                 !php_write(cache);
    json_decref(cache);
}

static void *php_once(void *arg)
{
    php_round(arg);
    return NULL;
}

static void *php_always(void *arg)
{
    struct php *p = arg;
    while (!atomic_load(&over)) {
        p->wait_us = (unsigned)rand_r(&p->seed) % 600;
        php_round(p);
        pause_us((unsigned)rand_r(&p->seed) % 600);
    }
    return NULL;
}

/* ---- readers ---- */

static void *reader(void *arg)
{
    while (!atomic_load(&over)) {
        char text[4096];
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
        bool ok =
            n > 0 && fstat(fd, &st) == 0 && st.st_uid == owner && (st.st_mode & 07777) == 0664;
        json_error_t e;
        json_t *o = n > 0 ? json_loadb(text, (size_t)n, 0, &e) : NULL;
        const char *kept = json_string_value(json_object_get(o, "kept"));
        ok = ok && kept && strcmp(kept, "é/\"") == 0 && json_object_get(o, "AIO_TOKEN");
        json_decref(o);
        if (fd >= 0)
            (void)close(fd);
        atomic_fetch_add(&reads, 1);
        if (!ok)
            atomic_fetch_add(&unreadable, 1);
    }
    return NULL;
}

/* ---- what is asked ---- */

static struct aio_target even = {.host_location = "/mnt/even"}, odd = {.remote_repo = "u@h:odd"};

static long token_now(void)
{
    json_t *o = take();
    long v = (long)json_integer_value(json_object_get(o, "AIO_TOKEN"));
    json_decref(o);
    return v;
}

static int setup(void **state)
{
    bool memory = access("/dev/shm", W_OK) == 0; /* faster: closer together */
    (void)snprintf(folder, sizeof folder, "%s/config-stress.XXXXXX", memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/configuration.json", folder);
    (void)snprintf(php_part, sizeof php_part, "%s.tmp", path);
    owner = geteuid() == 0 ? 33 : geteuid();
    atomic_store(&over, false);
    atomic_store(&reads, 0);
    atomic_store(&conflicts, 0);
    atomic_store(&unreadable, 0);
    json_t *o = json_pack("{s:s,s:s,s:s,s:i}", "kept", "é/\"", "borg_backup_host_location",
                          "/mnt/a", "borg_remote_repo", "", "AIO_TOKEN", 0);
    assert_true(php_write(o));
    json_decref(o);
    return 0;
}

static int teardown(void **state)
{
    (void)unlink(path);
    (void)unlink(php_part);
    return rmdir(folder); /* nothing of ours is left */
}

static bool set(const struct aio_target *t)
{
    struct err e = {0};
    if (config_file_set_target(path, t, NULL, &e))
        return true;
    if (e.code != ERR_CONFIG_CONFLICT)
        fail_msg("%s", e.msg);
    atomic_fetch_add(&conflicts, 1);
    return false;
}

/* One change of each side, at every distance from one another; then both are looked for. */
static void neither_change_is_lost(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    struct php php = {0};
    unsigned long over_written = 0, rounds = full_test() ? ROUNDS_FULL : ROUNDS;
    print_message("seed %u\n", seed);
    for (unsigned long i = 0; i < rounds; i++) {
        pthread_t other;
        struct aio_settings now;
        struct err e = {0};
        const struct aio_target *wanted = i % 2 ? &odd : &even;
        php.wait_us = (unsigned)rand_r(&seed) % 400;
        assert_int_equal(pthread_create(&other, NULL, php_once, &php), 0);
        pause_us((unsigned)rand_r(&seed) % 800);
        bool ok = set(wanted);
        assert_int_equal(pthread_join(other, NULL), 0);
        assert_false(php.failed);
        assert_true(token_now() == php.token || !ok);
        assert_true(config_file_read(path, &now, &e));
        bool meant = aio_target_equal(&now.target, wanted);
        over_written += ok && !meant; /* an older cache, written after ours was verified */
        if (!meant)
            assert_true(set(wanted)); /* as putting back does, once more */
        assert_true(token_now() == php.token || !ok);
    }
    print_message("%lu rounds, %lu overwritten by an older cache, %lu conflicts\n", rounds,
                  over_written, (unsigned long)atomic_load(&conflicts));
    assert_true(over_written < rounds * 9 / 10); /* else the two hardly meet */
    assert_true(atomic_load(&conflicts) < rounds / 10);
}

static void it_is_whole_at_every_moment(void **state)
{
    pthread_t readers[READERS], other;
    struct php php = {.seed = (unsigned)time(NULL)};
    unsigned long wanted = full_test() ? READS_FULL : READS, sets = 0;
    print_message("seed %u\n", php.seed);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader, NULL), 0);
    assert_int_equal(pthread_create(&other, NULL, php_always, &php), 0);
    while (atomic_load(&reads) < wanted)
        (void)set(sets++ % 2 ? &odd : &even);
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    print_message("%lu reads, %lu of ours, %ld of the other's, %lu conflicts\n",
                  (unsigned long)atomic_load(&reads), sets, php.token,
                  (unsigned long)atomic_load(&conflicts));
    assert_int_equal(atomic_load(&unreadable), 0);
    assert_false(php.failed);
    assert_true(set(&even) && token_now() == php.token);
    assert_true(sets > 20 && php.token > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(neither_change_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_whole_at_every_moment, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
