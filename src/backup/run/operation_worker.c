/* Steps of an operation that block, and what they change of its end. */
#include "backup/run/operation_internal.h"

static void on_worker(uv_work_t *w)
{
    struct operation *op = w->data;
    op->work(op->data);
}

static void on_worked(uv_work_t *w, int status)
{
    struct operation *op = w->data;
    (void)status; /* it is never cancelled */
    op->result.stopped = op->stopping;
    op->over_before_stop = false;
    op->plan->step(op, op->data, &op->result);
}

bool operation_worker(struct operation *op, void (*work)(void *data), struct err *e)
{
    op->work = work;
    op->worker.data = op;
    return uv_queue_work(op->context.loop, &op->worker, on_worker, on_worked) == 0 ||
           err_set(e, ERR_UNAVAILABLE, "no worker thread can be had");
}

void operation_exit_code(struct operation *op, int code)
{
    op->result.code = code;
}
