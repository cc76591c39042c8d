/* Many jobs: who runs, who waits, and who is taken over. */
#include "job_kit.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void two_jobs_of_one_repository_never_run_together(void **state)
{
    struct house *h = *state;
    struct work a = {0}, b = {0}, c = {0};
    struct made ma = {0}, mb = {0}, mc = {0};
    struct err e = {0};
    char other[128];
    assert_true(make(h, &a, "/repo", false, &ma, other, &e));
    UNTIL(h, a.started);
    assert_false(make(h, &b, "/repo", false, &mb, other, &e));
    assert_int_equal(e.code, ERR_JOB_RUNNING);
    assert_string_equal(other, ma.id);
    assert_true(b.freed);
    assert_false(mb.called);
    assert_true(make(h, &c, "/repo", true, &mc, other, &e));
    UNTIL(h, mc.called);
    assert_false(c.started);
    assert_int_equal(job_state(mc.job), JOB_QUEUED);
    job_end(a.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, c.started);
    job_end(c.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, c.freed);
}

static void at_most_so_many_run_at_a_time_and_the_others_follow(void **state)
{
    struct house *h = *state;
    enum { N = MAX_CHILDREN + 2 };
    struct work w[N] = {0};
    struct made m[N] = {0};
    struct err e = {0};
    char other[128], key[16];
    for (int i = 0; i < N; i++) {
        (void)snprintf(key, sizeof key, "/r%d", i);
        assert_true(make(h, &w[i], key, false, &m[i], other, &e));
    }
    UNTIL(h, m[N - 1].called);
    assert_int_equal(jobs_running(h->jobs), MAX_CHILDREN);
    assert_false(w[MAX_CHILDREN].started);
    for (int i = 0; i < N; i++) {
        UNTIL(h, w[i].started);
        job_end(w[i].job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    }
    UNTIL(h, jobs_active(h->jobs) == 0);
}

static void on_idle(void *arg)
{
    *(bool *)arg = true;
}

static void draining_takes_no_new_work_and_waits_for_the_running(void **state)
{
    struct house *h = *state;
    struct work a = {0}, b = {0};
    struct made ma = {0}, mb = {0};
    struct err e = {0};
    char other[128];
    bool idle = false;
    assert_true(make(h, &a, "/repo", false, &ma, other, &e));
    UNTIL(h, a.started);
    jobs_drain(h->jobs, on_idle, &idle);
    assert_false(make(h, &b, "/other", false, &mb, other, &e));
    assert_int_equal(e.code, ERR_DRAINING);
    assert_false(idle);
    jobs_stop_all(h->jobs, JOB_STOP_SHUTDOWN);
    UNTIL(h, idle);
    assert_int_equal(job_state(ma.job), JOB_INTERRUPTED);
}

struct adopted {
    struct house *h;
    struct work *w;
    int rows;
    uint64_t mark;
    char id[128];
};

static void adopt(void *arg, const struct store_job *row, uint64_t mark)
{
    struct adopted *a = arg;
    const char *keys[] = {"/repo"};
    struct err e = {0};
    a->rows++;
    a->mark = mark;
    (void)snprintf(a->id, sizeof a->id, "%s", row->id);
    assert_true(jobs_adopt(a->h->jobs, row, mark, keys, 1, &work_ops, a->w, &e));
}

/* The process is not killed here, but nothing of the first life is told of the end. */
static void an_unfinished_job_is_adopted_and_keeps_its_repository_meanwhile(void **state)
{
    struct house *h = *state;
    struct work w = {0}, again = {0}, late = {0};
    struct err e = {0};
    char other[128];
    const struct store_job row = {.id = "create:1234567890123",
                                  .kind = "create",
                                  .label = "home",
                                  .state = "running",
                                  .queued_ms = 1234567890123,
                                  .started_ms = 1234567890124,
                                  .owner = "write",
                                  .record = "{}",
                                  .private_json = "{\"file\":\"/x\"}"};
    store_job_create(h->store, &row, 5000, NULL, NULL);
    close_house(h);
    open_house(h);
    struct adopted a = {.h = h, .w = &again};
    store_unfinished(h->store, adopt, &a);
    assert_int_equal(a.rows, 1);
    assert_true(a.mark >= 5000);
    assert_true(jobs_recovering(h->jobs));
    struct made m = {0};
    assert_false(make(h, &late, "/repo", true, &m, other, &e));
    assert_int_equal(e.code, ERR_RECOVERING);
    assert_string_equal(other, "create:1234567890123");
    UNTIL(h, again.started);
    assert_true(hub_next_id(job_hub(again.job)) >= 5000);
    job_end(again.job, &(struct job_outcome){.state = JOB_INTERRUPTED, .keep_state = true});
    UNTIL(h, again.freed);
    assert_false(jobs_recovering(h->jobs));
    (void)w;
}

static void ids_ascend_and_go_on_above_the_last_after_a_restart(void **state)
{
    struct house *h = *state;
    struct err e = {0};
    char other[128];
    unsigned long long last = 0;
    for (int i = 0; i < 20; i++) {
        struct work w = {.end_on_start = true};
        struct made m = {0};
        assert_true(make(h, &w, NULL, false, &m, other, &e));
        UNTIL(h, w.freed);
        unsigned long long n = strtoull(strrchr(m.id, ':') + 1, NULL, 10);
        assert_true(n > last);
        assert_memory_equal(m.id, "create:", 7);
        last = n;
    }
    close_house(h);
    open_house(h);
    assert_true((unsigned long long)store_last_job_ms(h->store) == last);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_jobs_of_one_repository_never_run_together),
        CASE(at_most_so_many_run_at_a_time_and_the_others_follow),
        CASE(draining_takes_no_new_work_and_waits_for_the_running),
        CASE(an_unfinished_job_is_adopted_and_keeps_its_repository_meanwhile),
        CASE(ids_ascend_and_go_on_above_the_last_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
