/* One job from its creation to its end. */
#include "job_kit.h"

#include "base/json.h"
#include "base/mem.h"
#include "jobs/job_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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

struct pair {
    void *other; /* is taken off when this one is told */
    int heard;
};

static void take_off(void *arg, struct job *j)
{
    struct pair *one = arg;
    one->heard++;
    job_unwatch(j, one->other);
}

static void a_watcher_that_an_earlier_one_takes_off_hears_no_more(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128];
    int heard = 0;
    struct pair first = {.other = &heard};
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    UNTIL(h, w.started);
    assert_true(job_watch(m.job, take_off, &first));
    assert_true(job_watch(m.job, count_change, &heard));
    job_set_pid(m.job, 4711);
    job_set_pid(m.job, 4712); /* there is none to be taken off any more */
    assert_int_equal(first.heard, 2);
    assert_int_equal(heard, 0);
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, w.freed);
}

static void so_many_watch_a_job(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128];
    int heard[JOB_WATCHERS + 1] = {0};
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    UNTIL(h, w.started);
    for (int i = 0; i <= JOB_WATCHERS; i++)
        assert_int_equal(job_watch(m.job, count_change, &heard[i]), i < JOB_WATCHERS);
    job_news(m.job);
    for (int i = 0; i <= JOB_WATCHERS; i++)
        assert_int_equal(heard[i], i < JOB_WATCHERS);
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, w.freed);
}

static void so_many_stages_are_kept(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct made m = {0};
    struct err e = {0};
    char other[128], stage[24];
    assert_true(make(h, &w, "/repo", false, &m, other, &e));
    UNTIL(h, w.started);
    assert_string_equal(job_last_stage(m.job), "");
    for (int i = 0; i <= JOB_STAGES; i++) {
        (void)snprintf(stage, sizeof stage, "stage %d", i);
        job_stage(m.job, stage);
        assert_int_equal(strcmp(job_last_stage(m.job), stage) == 0, i < JOB_STAGES);
    }
    json_t *o = record_of(m.job);
    assert_int_equal(json_array_size(json_object_get(o, "stages")), JOB_STAGES);
    json_decref(o);
    job_end(w.job, &(struct job_outcome){.state = JOB_SUCCEEDED});
    UNTIL(h, w.freed);
}

static void a_job_is_made_with_all_that_was_asked_or_not_at_all(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    static struct job_ops ops; /* outlives the job, which the loop frees */
    ops = work_ops;
    ops.free = NULL;
    const struct job_spec spec = {.kind = "create",
                                  .label = "home",
                                  .keys = {"/a", "/b"},
                                  .key_count = 2,
                                  .role = "write",
                                  .address = "127.0.0.1",
                                  .params_json = "{}",
                                  .private_json = "{\"p\":1}",
                                  .status_json = "\"s\":1",
                                  .idem_key = "key",
                                  .idem_fingerprint = "print",
                                  .ops = &ops,
                                  .work = &w};
    unsigned long refused = 0;
    struct job *j = NULL;
    while (!j) {
        (void)mem_fail_at(refused + 1);
        j = job_new(h->jobs, &spec);
        (void)mem_fail_at(0);
        refused += !j;
    }
    assert_int_equal(refused, 12); /* the job, its nine texts, its two keys */
    assert_string_equal(job_label(j), "home");
    assert_string_equal(job_private(j), "{\"p\":1}");
    assert_string_equal(j->status_json, "\"s\":1");
    assert_string_equal(j->idem_fingerprint, "print");
    assert_string_equal(job_key(j, 1), "/b");
    job_discard(j);
    assert_false(w.freed);
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
        CASE(a_watcher_that_an_earlier_one_takes_off_hears_no_more),
        CASE(so_many_watch_a_job),
        CASE(so_many_stages_are_kept),
        CASE(a_job_is_made_with_all_that_was_asked_or_not_at_all),
        CASE(an_end_that_is_diverted_leaves_the_job_running),
        cmocka_unit_test(states_are_named_and_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
