/* One job from its creation to its end. */
#include "job_kit.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_job_is_durable_before_it_starts_and_its_end_before_it_shows(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128];
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    assert_false(m.called);
    assert_false(w.started);
    UNTIL(h, w.started);
    assert_true(m.called);
    assert_int_equal(job_state(m.job), JOB_RUNNING);
    job_end(w.job, &(struct job_outcome){.state = JOB_WARNING,
                                         .exit_code = 1,
                                         .word = "created_with_warnings",
                                         .sentence = "a file changed"});
    assert_int_equal(job_state(m.job), JOB_RUNNING); /* not yet committed */
    UNTIL(h, job_state_final(job_state(m.job)));
    assert_true(w.freed);
    json_t *o = record_of(m.job);
    assert_string_equal(json_get_str(o, "state", ""), "warning");
    assert_int_equal(json_get_int(o, "exit_code", -1), 1);
    assert_string_equal(json_get_str(json_object_get(o, "verdict"), "word", ""),
                        "created_with_warnings");
    assert_string_equal(json_get_str(json_object_get(o, "requested_by"), "role", ""), "write");
    json_decref(o);
    assert_ptr_equal(jobs_find(h->jobs, m.id), m.job);
}

static void a_queued_job_is_cancelled_without_having_run(void **state)
{
    struct house *h = *state;
    struct work a = {0}, b = {0};
    struct made ma = {0}, mb = {0};
    struct err e = {0};
    char other[128];
    assert_true(make(h, &a, "/repo", false, &ma, other, &e));
    assert_true(make(h, &b, "/repo", true, &mb, other, &e));
    UNTIL(h, a.started && mb.called);
    assert_true(job_cancel(mb.job, JOB_STOP_CANCEL));
    UNTIL(h, b.freed);
    assert_int_equal(job_state(mb.job), JOB_CANCELLED);
    assert_int_equal(job_api_error(mb.job), ERR_JOB_CANCELLED);
    assert_false(b.started);
    assert_false(b.stopped);
    assert_false(job_cancel(mb.job, JOB_STOP_CANCEL)); /* it is over */
    assert_true(job_cancel(ma.job, JOB_STOP_TIMEOUT));
    UNTIL(h, a.freed);
    assert_true(a.stopped);
    assert_int_equal(a.why, JOB_STOP_TIMEOUT);
    assert_int_equal(job_state(ma.job), JOB_TIMED_OUT);
}

static void count_change(void *arg, struct job *j)
{
    (*(int *)arg)++;
}

static void watchers_hear_of_each_change_until_the_end(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128];
    int heard = 0, gone = 0;
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    UNTIL(h, m.called);
    assert_true(job_watch(m.job, count_change, &heard));
    assert_true(job_watch(m.job, count_change, &gone));
    job_unwatch(m.job, &gone);
    UNTIL(h, w.started);
    job_set_pid(w.job, 4711);
    int before = heard;
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, w.freed);
    assert_int_equal(heard, before + 1);
    assert_true(before >= 1);
    assert_int_equal(gone, 0);
    assert_false(job_watch(m.job, count_change, &heard));
}

static void note_outcome(void *arg, struct job *j, const struct job_outcome *o)
{
    struct job_outcome *copy = arg;
    *copy = *o;
}

static void an_end_that_is_diverted_leaves_the_job_running(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    struct job_outcome told = {0};
    char other[128];
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    UNTIL(h, w.started);
    job_divert_end(w.job, note_outcome, &told);
    job_end(w.job, &(struct job_outcome){.state = JOB_FAILED, .exit_code = 7, .word = "inner"});
    assert_int_equal(told.state, JOB_FAILED);
    assert_int_equal(told.exit_code, 7);
    assert_int_equal(job_state(m.job), JOB_RUNNING);
    assert_true(job_cancel(m.job, JOB_STOP_CANCEL)); /* the work still hears of it, and ends it */
    assert_true(w.stopped);
    UNTIL(h, w.freed);
    assert_int_equal(job_state(m.job), JOB_CANCELLED);
    assert_int_equal(job_exit_code(m.job), 143);
}

static void states_are_named_and_parsed(void **state)
{
    for (int s = 0; s < JOB_STATES; s++) {
        enum job_state back;
        assert_true(job_state_parse(job_state_name((enum job_state)s), &back));
        assert_int_equal(back, s);
        assert_int_equal(job_state_final(back), s > JOB_RUNNING);
    }
    enum job_state none;
    assert_false(job_state_parse("done", &none));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_job_is_durable_before_it_starts_and_its_end_before_it_shows),
        CASE(a_queued_job_is_cancelled_without_having_run),
        CASE(watchers_hear_of_each_change_until_the_end),
        CASE(an_end_that_is_diverted_leaves_the_job_running),
        cmocka_unit_test(states_are_named_and_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
