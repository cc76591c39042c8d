/* kill -9 at a random moment, again and again: what the child was told yes to is there when the
 * store is opened next. The child writes each yes to a pipe. TORTURE_ROUNDS (25) rounds, the seed
 * is printed. */
#include "store_kit.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCK_EVENTS = 25, RESERVE = 1000000 };

/* One yes: 'c' job n exists, 'b' its block n is kept, 'e' job n has ended. */
struct yes {
    char what;
    unsigned job, n;
};

struct ask {
    struct yes yes;
    int fd;
};

static struct kit k;

static void on_yes(void *arg, bool ok, const struct err *e)
{
    struct ask *ask = arg;
    if (ok && write(ask->fd, &ask->yes, sizeof ask->yes) != sizeof ask->yes)
        _exit(3);
    k.fired++;
    free(ask);
}

static struct ask *ask_for(int fd, char what, unsigned job, unsigned n)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        _exit(3);
    *ask = (struct ask){{what, job, n}, fd};
    return ask;
}

static void write_for_ever(int fd, unsigned job)
{
    if (!kit_open(&k))
        _exit(2);
    for (;; job++) {
        char id[32];
        (void)snprintf(id, sizeof id, "create:%u", job);
        struct store_job row = {.id = id, .state = "running"};
        store_job_create(k.store, &row, RESERVE, on_yes, ask_for(fd, 'c', job, 0));
        kit_wait(&k, 1);
        for (unsigned n = 0; n < 40; n++) {
            struct block *b = kit_block(id, n * BLOCK_EVENTS, job * 10000ULL + n * BLOCK_EVENTS + 1,
                                        BLOCK_EVENTS, 1000);
            store_append(k.store, b, on_yes, ask_for(fd, 'b', job, n));
            block_unref(b);
            if (n % 4 == 3)
                kit_wait(&k, 4);
        }
        row.state = "succeeded";
        row.terminal = true;
        store_job_end(k.store, &row, NULL, on_yes, ask_for(fd, 'e', job, 0));
        kit_wait(&k, 1);
    }
}

static void check(const struct yes *y)
{
    char id[32];
    (void)snprintf(id, sizeof id, "create:%u", y->job);
    assert_true(kit_get(&k, id));
    if (y->what == 'e')
        assert_string_equal(k.state, "succeeded");
    if (y->what != 'b')
        return;
    uint64_t first = y->n * BLOCK_EVENTS;
    const char *text = kit_events(&k, id, first, 1000);
    assert_int_equal(kit_number(text, false, 0, 0), first);
}

static unsigned round_of(unsigned job, unsigned ms)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fd[0]);
        write_for_ever(fd[1], job);
    }
    (void)close(fd[1]);
    (void)usleep(ms * 1000);
    (void)kill(pid, SIGKILL);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(kit_open(&k));
    struct yes y;
    unsigned n = 0;
    for (; read(fd[0], &y, sizeof y) == sizeof y; n++) {
        check(&y);
        job = y.job;
    }
    (void)close(fd[0]);
    kit_close(&k);
    assert_int_equal(kit_sql(&k, "SELECT total(bytes) FROM block"),
                     kit_sql(&k, "SELECT total(value) FROM number WHERE name = 'bytes'"));
    return n;
}

static void what_was_acknowledged_outlives_a_kill(void **state)
{
    const char *asked = getenv("TORTURE_ROUNDS");
    int rounds = asked ? atoi(asked) : 25;
    unsigned seed = (unsigned)uv_hrtime(), sum = 0;
    print_message("seed %u\n", seed);
    srand(seed);
    kit_make(&k);
    for (int i = 0; i < rounds; i++)
        sum += round_of((unsigned)i * 1000, 5 + (unsigned)rand() % 150);
    print_message("%u promises kept\n", sum);
    assert_true(sum > (unsigned)rounds);
    assert_int_equal(kit_sql(&k, "SELECT count(*) FROM pragma_integrity_check "
                                 "WHERE integrity_check = 'ok'"),
                     1);
    kit_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_outlives_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
