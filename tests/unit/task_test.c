#include "sys/task.h"

#include "base/mem.h"
#include "limits.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct scene {
    uv_loop_t loop;
    struct tasks *tasks;
    bool closed;
};

static void begin(struct scene *s)
{
    struct err e = {0};
    memset(s, 0, sizeof *s);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    s->tasks = tasks_new(&s->loop, &e);
    assert_non_null(s->tasks);
}

static void on_closed(void *arg)
{
    ((struct scene *)arg)->closed = true;
}

static void end(struct scene *s)
{
    tasks_close(s->tasks, on_closed, s);
    assert_false(s->closed);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_true(s->closed);
    assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void run_until(struct scene *s, const bool *flag)
{
    while (!*flag)
        (void)uv_run(&s->loop, UV_RUN_ONCE);
}

/* ---- posts ---- */

enum { MANY = 10 * TASK_POSTS };

struct posting {
    struct scene *s;
    uv_thread_t loop_thread;
    atomic_uint posted;
    unsigned seen, most_ahead;
    bool done, in_order;
};

static void on_message(void *data, void *message)
{
    struct posting *p = data;
    uv_thread_t self = uv_thread_self();
    assert_true(uv_thread_equal(&self, &p->loop_thread));
    assert_false(p->done);
    p->in_order = p->in_order && (uintptr_t)message == p->seen;
    unsigned ahead = atomic_load(&p->posted) - p->seen;
    p->most_ahead = ahead > p->most_ahead ? ahead : p->most_ahead;
    p->seen++;
}

static void post_many(struct task *t, void *data)
{
    struct posting *p = data;
    uv_thread_t self = uv_thread_self();
    assert_false(uv_thread_equal(&self, &p->loop_thread));
    for (uintptr_t i = 0; i < MANY; i++) {
        task_post(t, on_message, (void *)i); /* NOLINT(performance-no-int-to-ptr) */
        atomic_fetch_add(&p->posted, 1);
    }
}

static void on_posted(void *data)
{
    struct posting *p = data;
    assert_false(p->done);
    p->done = true;
}

static void messages_come_in_order_before_done_and_a_fast_task_is_slowed(void **state)
{
    struct scene s;
    begin(&s);
    struct posting p = {.s = &s, .loop_thread = uv_thread_self(), .in_order = true};
    struct err e = {0};
    assert_non_null(task_start(s.tasks, post_many, on_posted, &p, &e));
    while (atomic_load(&p.posted) < TASK_POSTS) /* it fills its queue, and waits */
        (void)poll(NULL, 0, 1);
    (void)poll(NULL, 0, 50);
    assert_int_equal(atomic_load(&p.posted), TASK_POSTS);
    run_until(&s, &p.done);
    assert_int_equal(p.seen, MANY);
    assert_true(p.in_order);
    assert_true(p.most_ahead <= TASK_POSTS + 1);
    end(&s);
}

/* ---- stopping ---- */

struct waiting {
    bool slept, saw_stop, readable, done;
};

static void wait_long(struct task *t, void *data)
{
    struct waiting *w = data;
    w->slept = task_sleep(t, 60 * 1000);
    w->saw_stop = task_stopping(t);
    struct pollfd p = {.fd = task_stop_fd(t), .events = POLLIN};
    w->readable = poll(&p, 1, 0) == 1;
}

static void on_waited(void *data)
{
    ((struct waiting *)data)->done = true;
}

static void a_stop_ends_waits(void **state)
{
    struct scene s;
    begin(&s);
    struct waiting w = {.slept = true};
    struct err e = {0};
    struct task *t = task_start(s.tasks, wait_long, on_waited, &w, &e);
    assert_non_null(t);
    uint64_t began = uv_hrtime();
    task_stop(t);
    task_stop(t); /* twice is once */
    run_until(&s, &w.done);
    assert_true(uv_hrtime() - began < 10ULL * 1000000000);
    assert_false(w.slept);
    assert_true(w.saw_stop && w.readable);
    end(&s);
}

static void closing_stops_all_and_waits_for_them(void **state)
{
    struct scene s;
    begin(&s);
    struct waiting w[3] = {{.slept = true}, {.slept = true}, {.slept = true}};
    struct err e = {0};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(task_start(s.tasks, wait_long, on_waited, &w[i], &e));
    tasks_close(s.tasks, on_closed, &s);
    assert_null(task_start(s.tasks, wait_long, on_waited, &w[0], &e));
    assert_int_equal(e.code, ERR_DRAINING);
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_true(s.closed);
    for (size_t i = 0; i < 3; i++)
        assert_true(w[i].done && !w[i].slept);
    assert_int_equal(uv_loop_close(&s.loop), 0);
    tasks_close(NULL, on_closed, &s);
}

static void sleep_a_little(struct task *t, void *data)
{
    struct waiting *w = data;
    w->slept = task_sleep(t, 20);
}

static void a_sleep_that_is_not_disturbed_lasts(void **state)
{
    struct scene s;
    begin(&s);
    struct waiting w = {0};
    struct err e = {0};
    uint64_t began = uv_hrtime();
    assert_non_null(task_start(s.tasks, sleep_a_little, on_waited, &w, &e));
    run_until(&s, &w.done);
    assert_true(w.slept);
    assert_true(uv_hrtime() - began >= 20ULL * 1000000);
    end(&s);
}

static void there_is_a_most(void **state)
{
    struct scene s;
    begin(&s);
    struct waiting w[TASKS_MAX] = {0};
    struct err e = {0};
    for (size_t i = 0; i < TASKS_MAX; i++)
        assert_non_null(task_start(s.tasks, wait_long, on_waited, &w[i], &e));
    assert_null(task_start(s.tasks, wait_long, on_waited, &w[0], &e));
    assert_int_equal(e.code, ERR_TOO_BUSY);
    end(&s);
}

/* ---- one after the other ---- */

struct chain {
    struct scene *s;
    unsigned left;
    bool done;
};

static void nothing(struct task *t, void *data)
{
}

static void start_next(void *data)
{
    struct chain *c = data;
    struct err e = {0};
    if (c->left-- == 0)
        c->done = true;
    else
        assert_non_null(task_start(c->s->tasks, nothing, start_next, c, &e));
}

static void a_task_may_be_started_where_another_ends(void **state)
{
    struct scene s;
    begin(&s);
    struct chain c = {.s = &s, .left = 3 * TASKS_MAX};
    start_next(&c);
    run_until(&s, &c.done);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_in_order_before_done_and_a_fast_task_is_slowed),
        cmocka_unit_test(a_stop_ends_waits),
        cmocka_unit_test(closing_stops_all_and_waits_for_them),
        cmocka_unit_test(a_sleep_that_is_not_disturbed_lasts),
        cmocka_unit_test(there_is_a_most),
        cmocka_unit_test(a_task_may_be_started_where_another_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
