/* Many jobs: who runs, who waits, and who is taken over. */
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

/* ---- who may be on a repository together ---- */

static void on_made(void *arg, struct job *j, const struct err *e)
{
    struct made *m = arg;
    m->called = true;
    m->job = j;
    m->code = e ? e->code : ERR_NONE;
}

/* A job on "/repo" with what `like` says of sharing. */
static bool share(struct house *h, struct job_spec like, struct work *w, struct made *m,
                  struct err *e)
{
    char other[128];
    like.kind = like.reading ? "info" : like.yields ? "mount" : "prune";
    like.label = "home";
    like.role = "write";
    like.address = "127.0.0.1";
    like.params_json = "{\"label\":\"home\"}";
    like.ops = &work_ops;
    like.work = w;
    like.keys[0] = "/repo";
    like.key_count = 1;
    return jobs_create(h->jobs, &like, on_made, m, other, sizeof other, e);
}

#define READS ((struct job_spec){.reading = true, .shares = true})
#define WRITES ((struct job_spec){.reading = false})
#define LASTS ((struct job_spec){.shares = true, .yields = true, .unslotted = true})
#define ENDS_WELL (&(struct job_outcome){.state = JOB_SUCCEEDED})

static void readers_run_together_and_a_writer_waits_for_them(void **state)
{
    struct house *h = *state;
    struct work a = {0}, b = {0}, writer = {0}, late = {0};
    struct made ma = {0}, mb = {0}, mw = {0}, ml = {0};
    struct err e = {0};
    assert_true(share(h, READS, &a, &ma, &e));
    assert_true(share(h, READS, &b, &mb, &e));
    UNTIL(h, a.started && b.started);
    assert_true(share(h, WRITES, &writer, &mw, &e)); /* it waits, unasked: they are short */
    UNTIL(h, mw.called);
    assert_int_equal(job_state(mw.job), JOB_QUEUED);
    assert_true(jobs_must_wait(h->jobs, mw.job));
    /* A reader that comes later does not starve the writer. */
    assert_false(share(h, READS, &late, &ml, &e));
    assert_int_equal(e.code, ERR_JOB_RUNNING);
    job_end(a.job, ENDS_WELL);
    UNTIL(h, a.freed);
    assert_false(writer.started || a.stopped || b.stopped);
    job_end(b.job, ENDS_WELL);
    UNTIL(h, writer.started);
    assert_ptr_equal(jobs_holder(h->jobs, "/repo"), writer.job);
    job_end(writer.job, ENDS_WELL);
    UNTIL(h, writer.freed);
}

static void a_queued_reader_stands_behind_the_writer(void **state)
{
    struct house *h = *state;
    struct work writer = {0}, reader = {0};
    struct made mw = {0}, mr = {0};
    struct err e = {0};
    struct job_spec queued = READS;
    queued.queue = true;
    assert_true(share(h, WRITES, &writer, &mw, &e));
    UNTIL(h, writer.started);
    assert_true(share(h, queued, &reader, &mr, &e));
    UNTIL(h, mr.called);
    assert_int_equal(job_state(mr.job), JOB_QUEUED);
    job_end(writer.job, ENDS_WELL);
    UNTIL(h, reader.started);
    job_end(reader.job, ENDS_WELL);
    UNTIL(h, reader.freed);
}

static void what_yields_is_ended_for_a_writer_but_not_for_a_reader(void **state)
{
    struct house *h = *state;
    struct work mount = {0}, reader = {0}, writer = {0};
    struct made mm = {0}, mr = {0}, mw = {0};
    struct err e = {0};
    assert_true(share(h, LASTS, &mount, &mm, &e));
    assert_true(share(h, READS, &reader, &mr, &e));
    UNTIL(h, mount.started && reader.started);
    job_end(reader.job, ENDS_WELL);
    UNTIL(h, reader.freed);
    assert_false(mount.stopped);
    assert_true(share(h, WRITES, &writer, &mw, &e));
    UNTIL(h, writer.started);
    assert_true(mount.stopped && mount.freed);
    assert_int_equal(mount.why, JOB_STOP_YIELD);
    assert_true(job_state_final(job_state(mm.job)));
    job_end(writer.job, ENDS_WELL);
    UNTIL(h, writer.freed);
}

static void what_mostly_waits_takes_no_slot(void **state)
{
    struct house *h = *state;
    enum { N = MAX_CHILDREN + 1 };
    struct work mounts[N] = {0}, writers[N] = {0};
    struct made m[N] = {0}, w[N] = {0};
    struct err e = {0};
    char other[128], key[16];
    for (int i = 0; i < N; i++)
        assert_true(share(h, LASTS, &mounts[i], &m[i], &e));
    UNTIL(h, mounts[N - 1].started);
    for (int i = 0; i < N; i++) {
        (void)snprintf(key, sizeof key, "/w%d", i);
        assert_true(make(h, &writers[i], key, false, &w[i], other, &e));
    }
    UNTIL(h, writers[MAX_CHILDREN - 1].started && w[N - 1].called);
    assert_false(writers[N - 1].started);
    jobs_stop_all(h->jobs, JOB_STOP_SHUTDOWN);
    UNTIL(h, jobs_active(h->jobs) == 0);
}

static void an_equal_question_finds_the_reader_that_asks_it(void **state)
{
    struct house *h = *state;
    struct work reader = {0};
    struct made m = {0};
    struct err e = {0};
    assert_true(share(h, READS, &reader, &m, &e));
    UNTIL(h, reader.started);
    assert_ptr_equal(jobs_find_equal(h->jobs, "info", "home", "{\"label\":\"home\"}"), m.job);
    assert_null(jobs_find_equal(h->jobs, "info", "home", "{\"label\":\"other\"}"));
    assert_null(jobs_find_equal(h->jobs, "info", NULL, "{\"label\":\"home\"}"));
    assert_null(jobs_find_equal(h->jobs, "list", "home", "{\"label\":\"home\"}"));
    job_end(reader.job, ENDS_WELL);
    assert_null(jobs_find_equal(h->jobs, "info", "home", "{\"label\":\"home\"}"));
    UNTIL(h, reader.freed);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_jobs_of_one_repository_never_run_together),
        CASE(at_most_so_many_run_at_a_time_and_the_others_follow),
        CASE(so_many_may_wait),
        CASE(what_is_stopped_before_it_is_durable_never_starts),
        CASE(draining_takes_no_new_work_and_waits_for_the_running),
        CASE(an_unfinished_job_is_adopted_and_keeps_its_repository_meanwhile),
        CASE(what_there_is_no_memory_to_adopt_is_not),
        CASE(readers_run_together_and_a_writer_waits_for_them),
        CASE(a_queued_reader_stands_behind_the_writer),
        CASE(what_yields_is_ended_for_a_writer_but_not_for_a_reader),
        CASE(what_mostly_waits_takes_no_slot),
        CASE(an_equal_question_finds_the_reader_that_asks_it),
        CASE(ids_ascend_and_go_on_above_the_last_after_a_restart),
        CASE(a_job_that_there_is_no_memory_for_is_told_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
