#include "sys/task.h"

#include "base/mem.h"
#include "limits.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct post {
    void (*deliver)(void *data, void *message);
    void *message;
};

struct task {
    struct tasks *ts;
    struct task *next;
    uv_thread_t thread;
    void (*work)(struct task *t, void *data);
    void (*done)(void *data);
    void *data;
    int stop_fd;
    atomic_bool stopping;
    /* under the lock of `ts` */
    struct post posts[TASK_POSTS]; /* a ring: `waiting` from `first` on */
    unsigned first, waiting;
    bool ended;
    uv_cond_t room;
};

struct tasks {
    uv_loop_t *loop;
    uv_async_t wake;
    uv_mutex_t lock;
    struct task *all; /* loop's thread */
    unsigned count;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* ---- the tasks of a loop ---- */

static void deliver_all(uv_async_t *wake);

struct tasks *tasks_new(uv_loop_t *loop, struct err *e)
{
    struct tasks *ts = mem_zalloc(sizeof *ts);
    if (!ts || uv_mutex_init(&ts->lock) != 0) {
        mem_free(ts);
        (void)err_set(e, ERR_NO_MEMORY, "no memory for tasks");
        return NULL;
    }
    if (uv_async_init(loop, &ts->wake, deliver_all) != 0) {
        uv_mutex_destroy(&ts->lock);
        mem_free(ts);
        (void)err_set(e, ERR_NO_MEMORY, "no memory for tasks");
        return NULL;
    }
    ts->loop = loop;
    ts->wake.data = ts;
    return ts;
}

static void on_closed(uv_handle_t *h)
{
    struct tasks *ts = h->data;
    void (*closed)(void *) = ts->closed;
    void *arg = ts->closed_arg;
    uv_mutex_destroy(&ts->lock);
    mem_free(ts);
    if (closed)
        closed(arg);
}

static void close_if_over(struct tasks *ts)
{
    if (ts->closing && !ts->all && !uv_is_closing((uv_handle_t *)&ts->wake))
        uv_close((uv_handle_t *)&ts->wake, on_closed);
}

void tasks_close(struct tasks *ts, void (*closed)(void *arg), void *arg)
{
    if (!ts)
        return;
    assert(!ts->closing);
    ts->closing = true;
    ts->closed = closed;
    ts->closed_arg = arg;
    for (struct task *t = ts->all; t; t = t->next)
        task_stop(t);
    close_if_over(ts);
}

/* ---- from the tasks to the loop ---- */

static void forget(struct task *t)
{
    for (struct task **at = &t->ts->all; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    t->ts->count--;
    uv_cond_destroy(&t->room);
    (void)close(t->stop_fd);
    mem_free(t);
}

static void finish(struct task *t)
{
    void (*done)(void *) = t->done;
    void *data = t->data;
    (void)uv_thread_join(&t->thread); /* it has nothing left to do but to return */
    forget(t);
    done(data);
}

/* The oldest of what the task has posted; else whether it has ended. */
static bool take(struct task *t, struct post *p, bool *ended)
{
    uv_mutex_lock(&t->ts->lock);
    bool got = t->waiting > 0;
    *ended = t->ended && !got;
    if (got) {
        *p = t->posts[t->first];
        t->first = (t->first + 1) % TASK_POSTS;
        t->waiting--;
        uv_cond_signal(&t->room);
    }
    uv_mutex_unlock(&t->ts->lock);
    return got;
}

/* At most TASK_POSTS in one turn, so that a task that posts without end keeps nobody waiting. True:
 * there may be more. Stopping or starting others meanwhile is allowed, so that `t` alone is safe.
 */
static bool deliver_some(struct task *t, bool *ended)
{
    struct post p;
    for (unsigned n = 0; n < TASK_POSTS; n++) {
        if (!take(t, &p, ended))
            return false;
        p.deliver(t->data, p.message);
    }
    return true;
}

static void deliver_all(uv_async_t *wake)
{
    struct tasks *ts = wake->data;
    bool more = false;
    /* A new task is put in front and `done` of one removes only that one: `next` stays. */
    for (struct task *t = ts->all, *next; t; t = next) {
        bool ended = false;
        more = deliver_some(t, &ended) || more;
        next = t->next;
        if (ended)
            finish(t);
    }
    if (more)
        (void)uv_async_send(&ts->wake);
    close_if_over(ts);
}

void task_post(struct task *t, void (*deliver)(void *data, void *message), void *message)
{
    struct tasks *ts = t->ts;
    uv_mutex_lock(&ts->lock);
    while (t->waiting == TASK_POSTS)
        uv_cond_wait(&t->room, &ts->lock);
    t->posts[(t->first + t->waiting) % TASK_POSTS] =
        (struct post){.deliver = deliver, .message = message};
    t->waiting++;
    uv_mutex_unlock(&ts->lock);
    (void)uv_async_send(&ts->wake);
}

/* ---- one task ---- */

static void thread_main(void *arg)
{
    struct task *t = arg;
    struct tasks *ts = t->ts;
    t->work(t, t->data);
    uv_mutex_lock(&ts->lock);
    t->ended = true;
    (void)uv_async_send(&ts->wake); /* under the lock: `ts` lives until this is seen */
    uv_mutex_unlock(&ts->lock);
}

static bool run(struct task *t)
{
    const uv_thread_options_t o = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = TASK_STACK};
    if (uv_cond_init(&t->room) != 0)
        return false;
    t->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->stop_fd >= 0 && uv_thread_create_ex(&t->thread, &o, thread_main, t) == 0)
        return true;
    if (t->stop_fd >= 0)
        (void)close(t->stop_fd);
    uv_cond_destroy(&t->room);
    return false;
}

struct task *task_start(struct tasks *ts, void (*work)(struct task *t, void *data),
                        void (*done)(void *data), void *data, struct err *e)
{
    if (ts->closing || ts->count == TASKS_MAX) {
        (void)err_set(e, ts->closing ? ERR_DRAINING : ERR_TOO_BUSY, "%s",
                      ts->closing ? "the daemon is going down"
                                  : "too much is asked of the Docker Engine at a time");
        return NULL;
    }
    struct task *t = mem_zalloc(sizeof *t);
    if (!t) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for a task");
        return NULL;
    }
    t->ts = ts;
    t->work = work;
    t->done = done;
    t->data = data;
    if (!run(t)) {
        mem_free(t);
        (void)err_set(e, ERR_NO_MEMORY, "no thread for a task");
        return NULL;
    }
    t->next = ts->all;
    ts->all = t;
    ts->count++;
    return t;
}

void task_stop(struct task *t)
{
    const uint64_t one = 1;
    atomic_store(&t->stopping, true);
    (void)!write(t->stop_fd, &one, sizeof one);
}

bool task_stopping(const struct task *t)
{
    return atomic_load(&t->stopping);
}

int task_stop_fd(const struct task *t)
{
    return t->stop_fd;
}

bool task_sleep(const struct task *t, unsigned ms)
{
    uint64_t until = uv_hrtime() / 1000000 + ms;
    for (uint64_t now; !task_stopping(t) && (now = uv_hrtime() / 1000000) < until;) {
        struct pollfd p = {.fd = t->stop_fd, .events = POLLIN};
        (void)poll(&p, 1, (int)(until - now));
    }
    return !task_stopping(t);
}
