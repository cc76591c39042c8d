/* Who may be on a repository together, and whose turn it is. */
#include "job_kit.h"

#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

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

static void what_yields_elsewhere_is_left_alone(void **state)
{
    struct house *h = *state;
    struct work elsewhere = {0}, mount = {0}, writer = {0};
    struct made me = {0}, mm = {0}, mw = {0};
    struct err e = {0};
    struct job_spec spec = LASTS;
    spec.kind = "mount";
    spec.keys[0] = "/elsewhere";
    spec.key_count = 1;
    spec.ops = &work_ops;
    spec.work = &elsewhere;
    assert_true(jobs_create(h->jobs, &spec, on_made, &me, NULL, 0, &e));
    assert_true(share(h, LASTS, &mount, &mm, &e));
    assert_true(share(h, WRITES, &writer, &mw, &e));
    UNTIL(h, writer.started);
    assert_true(mount.stopped);
    assert_false(elsewhere.stopped);
    job_end(writer.job, ENDS_WELL);
    UNTIL(h, writer.freed);
    job_end(elsewhere.job, ENDS_WELL);
    UNTIL(h, elsewhere.freed);
}

static void idle(void *arg)
{
    *(bool *)arg = true;
}

static void what_yields_is_ended_at_once_when_the_daemon_goes_down(void **state)
{
    struct house *h = *state;
    struct work mount = {0}, writer = {0};
    struct made mm = {0}, mw = {0};
    struct err e = {0};
    char other[128];
    bool is_idle = false;
    assert_true(share(h, LASTS, &mount, &mm, &e));
    assert_true(make(h, &writer, "/elsewhere", false, &mw, other, &e));
    UNTIL(h, mount.started && writer.started);
    jobs_drain(h->jobs, idle, &is_idle);
    assert_true(mount.stopped);
    assert_int_equal(mount.why, JOB_STOP_SHUTDOWN);
    assert_false(writer.stopped);
    UNTIL(h, mount.freed);
    assert_false(is_idle);
    job_end(writer.job, ENDS_WELL);
    UNTIL(h, is_idle);
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
    assert_null(jobs_find_equal(h->jobs, "info", "home", NULL));
    job_end(reader.job, ENDS_WELL);
    assert_null(jobs_find_equal(h->jobs, "info", "home", "{\"label\":\"home\"}"));
    UNTIL(h, reader.freed);
}

static void lingers(struct job *j, void *arg, enum job_stop why)
{
    ((struct work *)arg)->stopped = true;
}

static void a_question_is_not_found_in_what_does_not_answer_it(void **state)
{
    struct house *h = *state;
    struct job_ops slow = work_ops;
    slow.stop = lingers;
    struct work bare = {0}, old = {0};
    struct made m = {0};
    struct err e = {0};
    struct job_spec spec = {.kind = "info", .reading = true, .ops = &slow, .work = &bare};
    assert_true(jobs_create(h->jobs, &spec, on_made, &m, NULL, 0, &e));
    UNTIL(h, bare.started);
    assert_null(jobs_find_equal(h->jobs, "info", NULL, "{}")); /* it was asked nothing */
    job_end(bare.job, ENDS_WELL);
    UNTIL(h, bare.freed);

    bare = (struct work){0};
    spec.params_json = "{}";
    assert_true(jobs_create(h->jobs, &spec, on_made, &m, NULL, 0, &e));
    UNTIL(h, bare.started);
    assert_ptr_equal(jobs_find_equal(h->jobs, "info", NULL, "{}"), m.job);
    assert_true(job_cancel(m.job, JOB_STOP_CANCEL)); /* it still winds down */
    assert_true(bare.stopped);
    assert_null(jobs_find_equal(h->jobs, "info", NULL, "{}"));
    job_end(bare.job, ENDS_WELL);
    UNTIL(h, bare.freed);

    const struct store_job row = {.id = "info:1234567890123",
                                  .kind = "info",
                                  .state = "running",
                                  .reading = true,
                                  .record = "{\"parameters\":{}}"};
    assert_true(jobs_adopt(h->jobs, &row, 0, NULL, 0, &work_ops, &old, &e));
    UNTIL(h, old.started);
    assert_string_equal(job_params(old.job), "{}");
    assert_null(jobs_find_equal(h->jobs, "info", NULL, "{}")); /* it asks nobody any more */
    job_end(old.job, ENDS_WELL);
    UNTIL(h, old.freed);
}

static void what_has_ended_waits_for_nobody(void **state)
{
    struct house *h = *state;
    struct work first = {0}, second = {0};
    struct made m1 = {0}, m2 = {0};
    struct err e = {0};
    assert_true(share(h, WRITES, &first, &m1, &e));
    UNTIL(h, first.started);
    job_end(first.job, ENDS_WELL);
    UNTIL(h, first.freed);
    assert_false(jobs_must_wait(h->jobs, m1.job));
    assert_true(share(h, READS, &second, &m2, &e));
    UNTIL(h, second.started);
    assert_false(jobs_must_wait(h->jobs, m2.job));
    job_end(second.job, ENDS_WELL);
    UNTIL(h, second.freed);
}

static void who_is_in_the_way_need_not_be_asked_for(void **state)
{
    struct house *h = *state;
    struct work first = {0}, second = {0};
    struct made m1 = {0}, m2 = {0};
    struct err e = {0};
    assert_true(share(h, WRITES, &first, &m1, &e));
    UNTIL(h, first.started);
    const struct job_spec spec = {
        .kind = "prune", .keys = {"/repo"}, .key_count = 1, .ops = &work_ops, .work = &second};
    assert_false(jobs_create(h->jobs, &spec, on_made, &m2, NULL, 0, &e));
    assert_int_equal(e.code, ERR_JOB_RUNNING);
    assert_true(second.freed && !m2.called);
    job_end(first.job, ENDS_WELL);
    UNTIL(h, first.freed);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(readers_run_together_and_a_writer_waits_for_them),
        CASE(a_queued_reader_stands_behind_the_writer),
        CASE(what_yields_is_ended_for_a_writer_but_not_for_a_reader),
        CASE(what_yields_elsewhere_is_left_alone),
        CASE(what_yields_is_ended_at_once_when_the_daemon_goes_down),
        CASE(what_mostly_waits_takes_no_slot),
        CASE(an_equal_question_finds_the_reader_that_asks_it),
        CASE(a_question_is_not_found_in_what_does_not_answer_it),
        CASE(what_has_ended_waits_for_nobody),
        CASE(who_is_in_the_way_need_not_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
