#include "jobs/job.h"

#include "base/json.h"
#include "base/mem.h"
#include "limits.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Jobs on a real store and hub in a directory of their own. */
struct house {
    uv_loop_t loop;
    char dir[64];
    struct store *store;
    struct hub *hub;
    struct jobs *jobs;
    uv_timer_t alive; /* the loop turns while we wait */
};

struct work {
    struct job *job;
    bool started, stopped, freed;
    bool end_on_start;
    enum job_stop why;
};

static void work_start(struct job *j, void *arg)
{
    struct work *w = arg;
    w->job = j;
    w->started = true;
    if (w->end_on_start)
        job_end(j, &(struct job_outcome){.state = JOB_SUCCEEDED,
                                         .exit_code = 0,
                                         .word = "done",
                                         .sentence = "it is done"});
}

static void work_stop(struct job *j, void *arg, enum job_stop why)
{
    struct work *w = arg;
    w->stopped = true;
    w->why = why;
    job_end(j, &(struct job_outcome){.state = JOB_FAILED, .exit_code = 143});
}

static void work_free(void *arg)
{
    ((struct work *)arg)->freed = true;
}

static const struct job_ops ops = {work_start, work_stop, work_free};

static void tick(uv_timer_t *t)
{
}

static void open_house(struct house *h)
{
    struct err e = {0};
    const struct store_settings set = {.dir = h->dir,
                                       .job_bytes = LIMIT_JOB_BYTES,
                                       .job_events = LIMIT_JOB_LINES,
                                       .all_bytes = LIMIT_STORE_BYTES,
                                       .read_job_keep_s = 3600,
                                       .jobs_keep = 100};
    assert_int_equal(uv_loop_init(&h->loop), 0);
    h->store = store_open(&h->loop, &set, &e);
    assert_non_null(h->store);
    h->hub = hub_new(&h->loop, h->store, &e);
    h->jobs = jobs_new(&h->loop, h->store, h->hub, store_last_job_ms(h->store), &e);
    assert_non_null(h->jobs);
    (void)uv_timer_init(&h->loop, &h->alive);
    (void)uv_timer_start(&h->alive, tick, 5, 5);
}

static void nothing(void *arg)
{
}

static void close_house(struct house *h)
{
    jobs_free(h->jobs);
    uv_close((uv_handle_t *)&h->alive, NULL);
    hub_close(h->hub, nothing, NULL);
    store_close(h->store, nothing, NULL);
    (void)uv_run(&h->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&h->loop), 0);
}

static int setup(void **state)
{
    struct house *h = mem_zalloc(sizeof *h);
    (void)snprintf(h->dir, sizeof h->dir, "/tmp/job_test.XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    open_house(h);
    *state = h;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct house *h = *state;
    close_house(h);
    (void)nftw(h->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(h);
    return 0;
}

#define UNTIL(h, condition) \
    do { \
        int turns = 0; \
        while (!(condition)) { \
            assert_true(turns++ < 2000); \
            (void)uv_run(&(h)->loop, UV_RUN_ONCE); \
        } \
    } while (0)

struct made {
    bool called;
    struct job *job;
    char id[128];
    enum err_code code;
};

static void on_created(void *arg, struct job *j, const struct err *e)
{
    struct made *m = arg;
    m->called = true;
    m->job = j;
    m->code = e ? e->code : ERR_NONE;
    if (j)
        (void)snprintf(m->id, sizeof m->id, "%s", job_id(j));
}

static bool make(struct house *h, struct work *w, const char *key, bool queue, struct made *m,
                 char *other, struct err *e)
{
    struct job_spec spec = {.kind = "create",
                            .label = "home",
                            .queue = queue,
                            .keys = {key},
                            .key_count = key ? 1 : 0,
                            .role = "write",
                            .address = "127.0.0.1",
                            .params_json = "{\"repository\":\"home\"}",
                            .ops = &ops,
                            .work = w};
    return jobs_create(h->jobs, &spec, on_created, m, other, 128, e);
}

static json_t *record_of(const struct job *j)
{
    struct buf b;
    buf_init(&b, LIMIT_RECORD);
    job_render(j, &b);
    json_t *o = json_parse(buf_str(&b), b.n, NULL);
    assert_non_null(o);
    buf_done(&b);
    return o;
}

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
    assert_true(jobs_adopt(a->h->jobs, row, mark, keys, 1, &ops, a->w, &e));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_job_is_durable_before_it_starts_and_its_end_before_it_shows, setup, teardown),
        cmocka_unit_test_setup_teardown(two_jobs_of_one_repository_never_run_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ids_ascend_and_go_on_above_the_last_after_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_queued_job_is_cancelled_without_having_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(at_most_so_many_run_at_a_time_and_the_others_follow, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(draining_takes_no_new_work_and_waits_for_the_running, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            an_unfinished_job_is_adopted_and_keeps_its_repository_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(watchers_hear_of_each_change_until_the_end, setup,
                                        teardown),
        cmocka_unit_test(states_are_named_and_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
