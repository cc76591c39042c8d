/* A job that the next start takes up, and what its status events say. */
#include "job_kit.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct left {
    struct job *job;
    int left, stopped;
    bool started, freed;
};

static void left_start(struct job *j, void *arg)
{
    struct left *l = arg;
    l->job = j;
    l->started = true;
}

static void left_stop(struct job *j, void *arg, enum job_stop why)
{
    ((struct left *)arg)->stopped++;
}

static void left_leave(struct job *j, void *arg)
{
    ((struct left *)arg)->left++;
}

static void left_free(void *arg)
{
    ((struct left *)arg)->freed = true;
}

static const struct job_ops left_ops = {
    .start = left_start, .stop = left_stop, .leave = left_leave, .free = left_free};

static void on_created(void *arg, struct job *j, const struct err *e)
{
    assert_non_null(j);
}

static void begin(struct house *h, struct left *l)
{
    struct err e = {0};
    char other[128];
    const struct job_spec spec = {.kind = "aio-run",
                                  .keys = {"aio"},
                                  .key_count = 1,
                                  .role = "write",
                                  .address = "127.0.0.9",
                                  .params_json = "{\"daily_backup\":true}",
                                  .private_json = "{\"p\":1}",
                                  .status_json = "\"target\":{\"mode\":\"local\"}",
                                  .ops = &left_ops,
                                  .work = l};
    assert_true(jobs_create(h->jobs, &spec, on_created, NULL, other, sizeof other, &e));
    UNTIL(h, l->started);
}

static void note_end(void *arg, struct job *j)
{
    *(enum job_state *)arg = job_state(j);
}

static void count_end(void *arg, const struct job *j)
{
    (*(int *)arg)++;
}

static void idle(void *arg)
{
    *(bool *)arg = true;
}

struct taken {
    struct house *h;
    struct left *l;
    int rows;
};

static void adopt(void *arg, const struct store_job *row, uint64_t mark)
{
    struct taken *t = arg;
    struct err e = {0};
    const char *keys[] = {"aio"};
    assert_string_equal(row->state, "running");
    assert_string_equal(row->private_json, "{\"p\":2}");
    assert_true(jobs_adopt(t->h->jobs, row, mark, keys, 1, &left_ops, t->l, &e));
    t->rows++;
}

static void a_job_that_was_left_is_unfinished_for_the_next_start(void **state)
{
    struct house *h = *state;
    struct left l = {0}, again = {0};
    enum job_state seen = JOB_RUNNING;
    int ends = 0;
    bool is_idle = false;
    begin(h, &l);
    jobs_on_end(h->jobs, count_end, &ends);
    assert_true(job_watch(l.job, note_end, &seen));
    job_set_private(l.job, "{\"p\":2}");
    assert_true(job_cancel(l.job, JOB_STOP_CANCEL)); /* was asked before; it goes on all the same */
    jobs_drain(h->jobs, idle, &is_idle);
    jobs_stop_all(h->jobs, JOB_STOP_SHUTDOWN);
    jobs_stop_all(h->jobs, JOB_STOP_SHUTDOWN);
    assert_int_equal(l.left, 1);
    assert_int_equal(l.stopped, 1);
    assert_false(is_idle);
    job_leave(l.job, "the next start goes on with it");
    UNTIL(h, l.freed);
    assert_true(is_idle);
    assert_int_equal(seen, JOB_INTERRUPTED);
    assert_int_equal(job_api_error(l.job), ERR_INTERRUPTED);
    assert_string_equal(job_sentence(l.job), "the next start goes on with it");
    assert_int_equal(ends, 0);

    close_house(h);
    open_house(h);
    struct taken t = {.h = h, .l = &again};
    assert_true(store_unfinished(h->store, adopt, &t));
    assert_int_equal(t.rows, 1);
    UNTIL(h, again.started);
    assert_false(jobs_recovering(h->jobs)); /* nobody need wait for what may be left again */
    json_t *o = record_of(again.job);
    assert_true(json_get_bool(json_object_get(o, "parameters"), "daily_backup", false));
    assert_string_equal(json_get_str(json_object_get(o, "requested_by"), "address", ""),
                        "127.0.0.9");
    json_decref(o);
    jobs_stop_all(h->jobs, JOB_STOP_SHUTDOWN); /* also what recovers is left */
    assert_int_equal(again.left, 1);
    job_end(again.job, &(struct job_outcome){.state = JOB_SUCCEEDED, .exit_code = -1});
    UNTIL(h, again.freed);
}

static void gather(void *arg, const char *text, size_t n)
{
    struct buf *b = arg;
    if (n == 0)
        (void)buf_putc(b, '.');
    (void)buf_append(b, text, n);
}

static void status_events_have_the_members_of_the_work_and_notices_come_between(void **state)
{
    struct house *h = *state;
    struct left l = {0};
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    begin(h, &l);
    char id[128];
    (void)snprintf(id, sizeof id, "%s", job_id(l.job));
    job_notice(l.job, "stalled", "nothing has moved for a while");
    job_set_status(l.job, "\"restored\":true");
    job_end(l.job, &(struct job_outcome){.state = JOB_SUCCEEDED, .exit_code = 0});
    UNTIL(h, l.freed);
    store_events(h->store, id, 0, LIMIT_RECORD, gather, &b);
    UNTIL(h, b.n > 0);
    const char *text = buf_str(&b);
    const char *queued = strstr(text, "\\\"event\\\":\\\"queued\\\"");
    const char *start = strstr(text, "\\\"event\\\":\\\"start\\\"");
    const char *stalled =
        strstr(text, "\\\"event\\\":\\\"stalled\\\",\\\"state\\\":\\\"running\\\"");
    const char *success = strstr(text, "\\\"event\\\":\\\"success\\\"");
    assert_true(queued && start && stalled && success);
    assert_true(queued < start && start < stalled && stalled < success);
    const char *target = strstr(start, "\\\"target\\\":{\\\"mode\\\":\\\"local\\\"}");
    assert_true(target && target < stalled);
    assert_null(strstr(stalled, "target"));
    assert_non_null(strstr(stalled, "nothing has moved for a while"));
    assert_non_null(strstr(success, "\\\"restored\\\":true"));
    buf_done(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_job_that_was_left_is_unfinished_for_the_next_start),
        CASE(status_events_have_the_members_of_the_work_and_notices_come_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
