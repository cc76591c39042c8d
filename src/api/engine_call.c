#include "api/engine_call.h"

#include "http/http.h"
#include "sys/task.h"

struct asking {
    struct call *c;
    void (*work)(struct engine *en, void *data);
    void (*after)(struct call *c, void *data);
    void *data;
    const char *host;
    struct task *task;
    struct err e; /* no engine could be had */
};

void call_engine_error(struct call *c, const struct err *e, const char *hint)
{
    struct err shown = *e;
    struct buf b;
    struct jsonw w;
    if (e->code == ERR_TIMEOUT) /* the Engine's, not the caller's */
        shown.code = ERR_DOCKER;
    bool engines = shown.code == ERR_DOCKER || shown.code == ERR_DOCKER_PERMISSION ||
                   shown.code == ERR_DOCKER_REFUSED || shown.code == ERR_CONTAINER_NOT_FOUND;
    call_begin_error(c, &b, &w, &shown);
    if (engines) {
        jsonw_kstr(&w, "hint", hint);
        jsonw_kbool(&w, "proxy_mode", engine_by_tcp(c->app->config->docker_host));
    }
    call_reply(c, err_status(shown.code), &b, &w);
}

static void in_task(struct task *t, void *arg)
{
    struct asking *k = arg;
    struct engine *en = engine_open(k->host, t, &k->e);
    if (en)
        k->work(en, k->data);
    engine_close(en);
}

static void on_done(void *arg)
{
    struct asking *k = arg;
    http_on_gone(k->c->req, NULL, NULL);
    if (k->e.code == ERR_NONE)
        k->after(k->c, k->data);
    else
        call_engine_error(k->c, &k->e, "");
}

/* Nobody waits for the answer any more; it is still owed, when the task has ended. */
static void on_gone(void *arg)
{
    struct asking *k = arg;
    task_stop(k->task);
}

bool call_in_task(struct call *c, void (*work)(struct engine *en, void *data),
                  void (*after)(struct call *c, void *data), void *data)
{
    struct err e = {0};
    struct asking *k = arena_alloc(&c->req->arena, sizeof *k);
    if (!k) {
        (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    } else if (!c->app->tasks) {
        (void)err_set(&e, ERR_DRAINING, "the daemon is going down");
    } else {
        *k = (struct asking){.c = c,
                             .work = work,
                             .after = after,
                             .data = data,
                             .host = c->app->config->docker_host};
        k->task = task_start(c->app->tasks, in_task, on_done, k, &e);
    }
    if (k && k->task) {
        http_on_gone(c->req, on_gone, k);
        return true;
    }
    call_error(c, &e);
    return false;
}
