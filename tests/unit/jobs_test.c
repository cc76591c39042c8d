/* Many jobs: who runs, who waits, and who is remembered. */
#include "job_kit.h"

#include "base/mem.h"
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
    assert_true(jobs_must_wait(h->jobs, m[MAX_CHILDREN].job));
    for (int i = 0; i < N; i++) {
        UNTIL(h, w[i].started);
        job_end(w[i].job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    }
    UNTIL(h, jobs_active(h->jobs) == 0);
}

static void on_made(void *arg, struct job *j, const struct err *e)
{
    struct made *m = arg;
    m->called = true;
    m->job = j;
    m->code = e ? e->code : ERR_NONE;
}

static void so_many_may_wait(void **state)
{
    struct house *h = *state;
    enum { ALL = 1 + LIMIT_JOBS_QUEUED }; /* one runs */
    struct work w[ALL + 1] = {0};
    struct made m[ALL + 1] = {0};
    struct err e = {0};
    char other[128];
    for (int i = 0; i < ALL; i++) {
        assert_true(make(h, &w[i], "/repo", true, &m[i], other, &e));
        UNTIL(h, m[i].called);
    }
    assert_false(make(h, &w[ALL], "/repo", true, &m[ALL], other, &e));
    assert_int_equal(e.code, ERR_TOO_BUSY);
    w[ALL] = (struct work){.end_on_start = true};
    const struct job_spec urgent = {
        .kind = "emergency", .in_hold = true, .ops = &work_ops, .work = &w[ALL]};
    assert_true(jobs_create(h->jobs, &urgent, on_made, &m[ALL], NULL, 0, &e));
    UNTIL(h, w[ALL].freed);
    for (int i = 0; i < ALL; i++) {
        UNTIL(h, w[i].started);
        job_end(w[i].job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    }
    UNTIL(h, jobs_active(h->jobs) == 0);
}

static void what_is_stopped_before_it_is_durable_never_starts(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128];
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    jobs_stop_all(h->jobs, JOB_STOP_CANCEL);
    jobs_stop_all(h->jobs, JOB_STOP_CANCEL); /* once is enough */
    UNTIL(h, w.freed);
    assert_true(m.called && !w.started);
}

static void on_idle(void *arg)
{
    *(bool *)arg = true;
}

static void cancel_at_once(void *arg, struct job *j, const struct err *e)
{
    assert_true(job_cancel(j, JOB_STOP_CANCEL));
    *(struct job **)arg = j;
}

static void what_is_stopped_as_soon_as_it_is_durable_ends_once(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct job *j = NULL;
    struct err e = {0};
    const struct job_spec spec = {.kind = "create", .ops = &work_ops, .work = &w};
    assert_true(jobs_create(h->jobs, &spec, cancel_at_once, &j, NULL, 0, &e));
    UNTIL(h, w.freed);
    assert_int_equal(job_state(j), JOB_CANCELLED);
    assert_false(w.started);
}

static void note_id(void *arg, struct job *j)
{
    (void)snprintf(arg, 128, "%s", job_id(j));
}

static void a_job_is_found_by_its_whole_id_once_it_is_durable(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128], id[128], same_number[128];
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    jobs_each(h->jobs, note_id, id);
    (void)snprintf(same_number, sizeof same_number, "prune%s", strchr(id, ':'));
    assert_null(jobs_find(h->jobs, id));
    UNTIL(h, w.started);
    assert_ptr_equal(jobs_find(h->jobs, id), m.job);
    assert_null(jobs_find(h->jobs, same_number));
    assert_null(jobs_find(h->jobs, "create"));
    assert_false(jobs_recovering(h->jobs)); /* it is no former life's */
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, w.freed);
    assert_ptr_equal(jobs_find(h->jobs, id), m.job);
    assert_null(jobs_find(h->jobs, same_number));
}

static void count_idle(void *arg)
{
    (*(int *)arg)++;
}

static void drained_is_told_once_and_after_the_last(void **state)
{
    struct house *h = *state;
    struct work w[2] = {0};
    struct made m[2] = {0};
    struct err e = {0};
    char other[128];
    int idle = 0;
    assert_true(make(h, &w[0], "/a", false, &m[0], other, &e));
    assert_true(make(h, &w[1], "/b", false, &m[1], other, &e));
    UNTIL(h, w[0].started && w[1].started);
    jobs_drain(h->jobs, count_idle, &idle);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(idle, 0);
        job_end(w[i].job, &(struct job_outcome){.state = JOB_SUCCEEDED});
        UNTIL(h, w[i].freed);
    }
    assert_int_equal(idle, 1);
    jobs_drain(h->jobs, count_idle, &idle);
    jobs_drain(h->jobs, count_idle, &idle); /* asked twice before it could be told */
    UNTIL(h, idle > 1);
    for (int i = 0; i < 3; i++)
        (void)uv_run(&h->loop, UV_RUN_ONCE);
    assert_int_equal(idle, 2);
}

static void work_that_needs_no_freeing_is_not_freed(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    struct job_ops ops = work_ops;
    ops.free = NULL;
    struct job_spec spec = {.kind = "create", .ops = &ops, .work = &w};
    assert_true(jobs_create(h->jobs, &spec, on_made, &m, NULL, 0, &e));
    UNTIL(h, w.started);
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, job_state_final(job_state(m.job)));
    jobs_hold(h->jobs, true);
    assert_false(jobs_create(h->jobs, &spec, on_made, &m, NULL, 0, &e));
    spec.ops = &work_ops;
    spec.work = NULL; /* nor is what is not there */
    assert_false(jobs_create(h->jobs, &spec, on_made, &m, NULL, 0, &e));
    assert_int_equal(e.code, ERR_EMERGENCY_HOLD);
    assert_false(w.freed);
}

static void more_that_end_at_once_than_are_remembered(void **state)
{
    struct house *h = *state;
    enum { N = LIMIT_JOBS_RECENT + 8 };
    static struct work w[N];
    static struct made m[N];
    struct err e = {0};
    memset(w, 0, sizeof w);
    for (int i = 0; i < N; i++) {
        const struct job_spec spec = {
            .kind = "mount", .in_hold = true, .unslotted = true, .ops = &work_ops, .work = &w[i]};
        assert_true(jobs_create(h->jobs, &spec, on_made, &m[i], NULL, 0, &e));
    }
    UNTIL(h, jobs_running(h->jobs) == N);
    char first[128], last[128];
    note_id(first, m[0].job);
    note_id(last, m[N - 1].job);
    jobs_stop_all(h->jobs, JOB_STOP_CANCEL);
    UNTIL(h, jobs_active(h->jobs) == 0);
    assert_null(jobs_find(h->jobs, first));
    assert_ptr_equal(jobs_find(h->jobs, last), m[N - 1].job);
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

static void a_job_that_there_is_no_memory_for_is_told_and_leaves_nothing(void **state)
{
    struct house *h = *state;
    unsigned refused = 0, told = 0, made = 0;
    for (unsigned long n = 1; n <= 120; n++) {
        struct work w = {.end_on_start = true};
        struct made m = {0};
        struct err e = {0};
        char other[128];
        (void)mem_fail_at(n);
        bool taken = make(h, &w, "/repo", false, &m, other, &e);
        if (taken)
            UNTIL(h, m.called);
        (void)mem_fail_at(0);
        refused += !taken;
        told += taken && !m.job;
        made += taken && m.job;
        if (m.job)
            UNTIL(h, w.freed);
        assert_null(jobs_holder(h->jobs, "/repo"));
    }
    assert_true(refused > 0 && told > 0 && made > 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_jobs_of_one_repository_never_run_together),
        CASE(at_most_so_many_run_at_a_time_and_the_others_follow),
        CASE(so_many_may_wait),
        CASE(what_is_stopped_before_it_is_durable_never_starts),
        CASE(what_is_stopped_as_soon_as_it_is_durable_ends_once),
        CASE(a_job_is_found_by_its_whole_id_once_it_is_durable),
        CASE(drained_is_told_once_and_after_the_last),
        CASE(work_that_needs_no_freeing_is_not_freed),
        CASE(more_that_end_at_once_than_are_remembered),
        CASE(draining_takes_no_new_work_and_waits_for_the_running),
        CASE(ids_ascend_and_go_on_above_the_last_after_a_restart),
        CASE(a_job_that_there_is_no_memory_for_is_told_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
