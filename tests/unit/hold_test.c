/* The hold after an emergency: what it refuses, and that a restart does not lift it. */
#include "jobs/hold.h"

#include "job_kit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct hold_state all_down = {.on = true,
                                           .owes_start = true,
                                           .stopped = "nextcloud-aio-apache,nextcloud-aio-redis",
                                           .level = "all",
                                           .job_id = "emergency-shutdown:1",
                                           .role = "write",
                                           .reason = "a \"quote\"\nand a line",
                                           .since_ms = 1700000000123};

struct told {
    unsigned times;
    struct err e;
};

static bool told_closed;

static void on_set(void *arg, const struct err *e)
{
    struct told *t = arg;
    t->times++;
    t->e = e ? *e : (struct err){0};
}

static struct hold *open_hold(struct house *h)
{
    struct err e = {0};
    struct hold *one = hold_open(&h->loop, h->dir, h->jobs, &e);
    assert_non_null(one);
    return one;
}

static void set(struct house *h, struct hold *one, const struct hold_state *s)
{
    struct told told = {0};
    assert_true(hold_set(one, s, on_set, &told));
    UNTIL(h, told.times);
    assert_int_equal(told.e.code, ERR_NONE);
    assert_int_equal(told.times, 1);
}

static void path_of(const struct house *h, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/emergency.json", h->dir);
}

static bool refused(struct house *h)
{
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128];
    if (!make(h, &w, NULL, false, &m, other, &e)) {
        assert_true(w.freed);
        assert_int_equal(e.code, ERR_EMERGENCY_HOLD);
        assert_false(jobs_open(h->jobs, NULL));
        return true;
    }
    UNTIL(h, w.started);
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, w.freed);
    assert_true(jobs_open(h->jobs, NULL));
    return false;
}

static void it_is_in_force_at_once_and_over_a_restart(void **state)
{
    struct house *h = *state;
    struct hold *one = open_hold(h);
    struct told told = {0};
    assert_false(hold_state(one)->on);
    assert_false(refused(h));
    assert_true(hold_set(one, &all_down, on_set, &told));
    assert_true(refused(h)); /* before it is durable */
    assert_int_equal(told.times, 0);
    assert_false(hold_set(one, &all_down, on_set, &told)); /* one at a time */
    UNTIL(h, told.times);
    hold_close(one, NULL, NULL);
    close_house(h);
    open_house(h);
    assert_false(refused(h));
    one = open_hold(h);
    assert_memory_equal(hold_state(one), &all_down, sizeof all_down);
    assert_string_equal(hold_problem(one), "");
    assert_true(refused(h));
    hold_close(one, NULL, NULL);
}

static void what_is_lifted_leaves_nothing(void **state)
{
    struct house *h = *state;
    char path[128];
    struct stat st;
    struct hold *one = open_hold(h);
    path_of(h, path, sizeof path);
    set(h, one, &all_down);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct hold_state owes = *hold_state(one);
    owes.on = false;
    set(h, one, &owes);
    assert_false(refused(h));
    assert_int_equal(stat(path, &st), 0); /* the containers are still to be started */
    owes.owes_start = false;
    set(h, one, &owes);
    assert_int_not_equal(stat(path, &st), 0);
    set(h, one, &owes); /* nothing to remove is no failure */
    hold_close(one, NULL, NULL);
}

static void what_cannot_be_read_holds(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{}", "{\"on\":1,\"owes_start\":false}"};
    struct house *h = *state;
    char path[128];
    path_of(h, path, sizeof path);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        (void)close(fd);
        struct hold *one = open_hold(h);
        assert_true(hold_state(one)->on);
        assert_true(hold_problem(one)[0]);
        assert_true(refused(h));
        set(h, one, &(struct hold_state){0});
        assert_string_equal(hold_problem(one), "");
        assert_false(refused(h));
        hold_close(one, NULL, NULL);
    }
}

static void what_cannot_be_written_is_in_force_and_says_so(void **state)
{
    struct house *h = *state;
    struct told told = {0};
    char path[128], below[160];
    struct hold *one = open_hold(h);
    path_of(h, path, sizeof path);
    (void)snprintf(below, sizeof below, "%s/in-the-way", path);
    assert_int_equal(mkdir(path, 0700), 0); /* a rename cannot replace a folder */
    assert_int_equal(mkdir(below, 0700), 0);
    assert_true(hold_set(one, &all_down, on_set, &told));
    UNTIL(h, told.times);
    assert_int_not_equal(told.e.code, ERR_NONE);
    assert_true(hold_problem(one)[0]);
    assert_true(refused(h));
    hold_close(one, NULL, NULL);
}

static void on_made(void *arg, struct job *j, const struct err *e)
{
    assert_non_null(j);
}

static void the_emergency_itself_goes_on(void **state)
{
    struct house *h = *state;
    struct hold *one = open_hold(h);
    set(h, one, &all_down);
    for (int i = 0; i < 2; i++) {
        struct work w = {0};
        struct err e = {0};
        const struct job_spec spec = {.kind = "emergency-shutdown",
                                      .reading = i == 0,
                                      .in_hold = i == 1,
                                      .ops = &work_ops,
                                      .work = &w};
        assert_true(jobs_create(h->jobs, &spec, on_made, NULL, NULL, 0, &e));
        UNTIL(h, w.started);
        job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
        UNTIL(h, w.freed);
    }
    hold_close(one, NULL, NULL);
}

static void on_closed(void *arg)
{
    const struct told *t = arg;
    assert_int_equal(t->times, 1);
    told_closed = true;
}

/* A resume's start may end, and settle what was owed, just before the daemon goes. */
static void it_closes_after_what_is_being_written(void **state)
{
    struct house *h = *state;
    struct told told = {0};
    struct hold *one = open_hold(h);
    told_closed = false;
    assert_true(hold_set(one, &all_down, on_set, &told));
    hold_close(one, on_closed, &told);
    assert_false(told_closed);
    assert_false(hold_set(one, &all_down, on_set, &told));
    UNTIL(h, told_closed);
    assert_int_equal(told.e.code, ERR_NONE);
    one = open_hold(h);
    assert_true(hold_state(one)->on);
    told_closed = false;
    hold_close(one, on_closed, &told);
    assert_true(told_closed);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_in_force_at_once_and_over_a_restart),
        TEST(what_is_lifted_leaves_nothing),
        TEST(what_cannot_be_read_holds),
        TEST(what_cannot_be_written_is_in_force_and_says_so),
        TEST(the_emergency_itself_goes_on),
        TEST(it_closes_after_what_is_being_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
