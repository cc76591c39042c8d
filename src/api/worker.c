#include "api/worker.h"

struct worker {
    uv_work_t work;
    struct call *c;
    void (*run)(void *data);
    void (*after)(struct call *c, void *data);
    void *data;
};

static void in_worker(uv_work_t *w)
{
    struct worker *k = w->data;
    k->run(k->data);
}

static void on_done(uv_work_t *w, int status)
{
    struct worker *k = w->data;
    k->after(k->c, k->data);
}

bool call_in_worker(struct call *c, void (*work)(void *data),
                    void (*after)(struct call *c, void *data), void *data)
{
    struct worker *k = arena_alloc(&c->req->arena, sizeof *k);
    if (k) {
        *k =
            (struct worker){.work = {.data = k}, .c = c, .run = work, .after = after, .data = data};
        if (uv_queue_work(c->app->loop, &k->work, in_worker, on_done) == 0)
            return true;
    }
    call_error_memory(c);
    return false;
}
