#include "sys/ending.h"

#include "base/mem.h"
#include "limits.h"
#include "sys/procfs.h"

#include <signal.h>

enum step { STEP_ASKED, STEP_TERM, STEP_KILL };

struct ending {
    uv_loop_t *loop;
    uv_timer_t timer;
    char *entry;
    void (*done)(void *arg, size_t left);
    void *arg;
    enum step step;
    uint64_t step_since; /* uv_now */
    bool fresh;          /* the step's signal was not sent yet */
    bool scanning, finished, freed, closed;
};

static void free_if_idle(struct ending *e)
{
    if (!e->freed || !e->closed || e->scanning)
        return;
    mem_free(e->entry);
    mem_free(e);
}

static void on_closed(uv_handle_t *h)
{
    struct ending *e = h->data;
    e->closed = true;
    free_if_idle(e);
}

static void enter(struct ending *e, enum step step)
{
    e->step = step;
    e->step_since = uv_now(e->loop);
    e->fresh = true;
}

static void advance(struct ending *e)
{
    static const unsigned lasts[] = {
        [STEP_ASKED] = END_INT_MS, [STEP_TERM] = END_TERM_MS, [STEP_KILL] = END_KILL_MS};
    if (uv_now(e->loop) - e->step_since < lasts[e->step] || e->step == STEP_KILL)
        return;
    enter(e, e->step == STEP_ASKED ? STEP_TERM : STEP_KILL);
}

static bool gave_up(const struct ending *e)
{
    return e->step == STEP_KILL && uv_now(e->loop) - e->step_since >= END_KILL_MS;
}

static void on_timer(uv_timer_t *t);

static void on_found(void *arg, const pid_t *pids, size_t n)
{
    struct ending *e = arg;
    e->scanning = false;
    if (e->freed) {
        free_if_idle(e);
        return;
    }
    if (n == 0 || gave_up(e)) {
        e->finished = true;
        e->done(e->arg, n);
        return;
    }
    (void)uv_timer_start(&e->timer, on_timer, END_SCAN_MS, 0);
}

static void on_timer(uv_timer_t *t)
{
    struct ending *e = t->data;
    advance(e);
    int signal = 0;
    if (e->step == STEP_TERM && e->fresh)
        signal = SIGTERM;
    if (e->step == STEP_KILL) /* every time: a fork may have slipped through */
        signal = SIGKILL;
    e->fresh = false;
    e->scanning = procfs_scan(e->loop, e->entry, signal, on_found, e);
    if (!e->scanning)
        (void)uv_timer_start(t, on_timer, END_SCAN_MS, 0);
}

struct ending *ending_start(uv_loop_t *loop, const struct ending_spec *spec)
{
    struct ending *e = mem_zalloc(sizeof *e);
    char *entry = mem_strdup(spec->entry);
    if (!e || !entry) {
        mem_free(e);
        mem_free(entry);
        return NULL;
    }
    e->loop = loop;
    e->entry = entry;
    e->done = spec->done;
    e->arg = spec->arg;
    (void)uv_timer_init(loop, &e->timer);
    e->timer.data = e;
    bool nobody = spec->ask && spec->ask(spec->arg) == 0;
    enter(e, nobody ? STEP_TERM : STEP_ASKED);
    (void)uv_timer_start(&e->timer, on_timer, 0, 0);
    return e;
}

void ending_hurry(struct ending *e)
{
    if (e && !e->finished && e->step == STEP_ASKED)
        enter(e, STEP_TERM);
}

void ending_free(struct ending *e)
{
    if (!e)
        return;
    e->freed = true;
    uv_close((uv_handle_t *)&e->timer, on_closed);
}
