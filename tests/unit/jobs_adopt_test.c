/* Jobs of a former life, taken over. */
#include "job_kit.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

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
    jobs_stop_all(h->jobs, JOB_STOP_SHUTDOWN); /* what recovers is waited for */
    assert_false(again.stopped);
    job_end(again.job, &(struct job_outcome){.state = JOB_INTERRUPTED, .keep_state = true});
    UNTIL(h, again.freed);
    assert_false(jobs_recovering(h->jobs));
    (void)w;
}

static void of_more_keys_than_a_job_holds_it_has_the_first(void **state)
{
    struct house *h = *state;
    struct work w = {0};
    struct err e = {0};
    const struct store_job row = {
        .id = "create:1234567890123", .kind = "create", .state = "running", .record = "{}"};
    char texts[JOB_KEYS_MAX + 1][16];
    const char *keys[JOB_KEYS_MAX + 1];
    for (int i = 0; i <= JOB_KEYS_MAX; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "/r%d", i);
        keys[i] = texts[i];
    }
    assert_true(jobs_adopt(h->jobs, &row, 0, keys, JOB_KEYS_MAX + 1, &work_ops, &w, &e));
    UNTIL(h, w.started);
    assert_int_equal(job_key_count(w.job), JOB_KEYS_MAX);
    assert_ptr_equal(jobs_holder(h->jobs, keys[JOB_KEYS_MAX - 1]), w.job);
    job_end(w.job, &(struct job_outcome){.state = JOB_INTERRUPTED});
    UNTIL(h, w.freed);
}

static void what_there_is_no_memory_to_adopt_is_not(void **state)
{
    struct house *h = *state;
    const struct store_job row = {.id = "create:1234567890123",
                                  .kind = "create",
                                  .state = "running",
                                  .owner = "write",
                                  .record = "{}",
                                  .private_json = "{}"};
    const char *keys[] = {"/repo"};
    struct work w = {0};
    unsigned refused = 0;
    for (bool taken = false; !taken; refused += !taken) {
        struct err e = {0};
        (void)mem_fail_at(refused + 1);
        taken = jobs_adopt(h->jobs, &row, 0, keys, 1, &work_ops, &w, &e);
        (void)mem_fail_at(0);
        assert_true(taken || e.code == ERR_NO_MEMORY);
        assert_int_equal(jobs_active(h->jobs), taken ? 1 : 0);
    }
    assert_true(refused > 2 && !w.freed);
    UNTIL(h, w.started);
    job_stage(w.job, "recovering");
    assert_string_equal(job_last_stage(w.job), "recovering");
    job_end(w.job, &(struct job_outcome){.state = JOB_INTERRUPTED});
    UNTIL(h, w.freed);
    struct err e = {0};
    (void)mem_fail_at(1);
    assert_null(jobs_new(&h->loop, h->store, h->hub, 0, &e));
    (void)mem_fail_at(0);
    jobs_free(NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_unfinished_job_is_adopted_and_keeps_its_repository_meanwhile),
        CASE(of_more_keys_than_a_job_holds_it_has_the_first),
        CASE(what_there_is_no_memory_to_adopt_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
