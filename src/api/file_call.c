#include "api/file_call.h"

#include "limits.h"

static void on_worker(uv_work_t *request)
{
    struct file_call *f = request->data;
    f->ok = f->work(f, &f->members, &f->e);
}

static void answer(struct file_call *f)
{
    struct call *c = f->c;
    struct buf b;
    struct jsonw w;
    if (f->after)
        f->after(f, f->ok);
    if (f->ok && f->members.failed)
        f->ok = err_set(&f->e, ERR_NO_MEMORY, "the answer is too long");
    struct buf members = f->members; /* `f` dies with the answer */
    if (!f->ok) {
        call_error(c, &f->e);
        buf_wipe(&members);
        return;
    }
    call_begin(c, &b, &w, true);
    if (members.n)
        (void)buf_printf(&b, ",%s", buf_str(&members));
    call_reply(c, f->status ? f->status : 200, &b, &w);
    buf_wipe(&members);
}

static void on_done(uv_work_t *request, int status)
{
    struct file_call *f = request->data;
    if (status != 0)
        f->ok = err_set(&f->e, ERR_UNAVAILABLE, "the daemon is going down");
    answer(f);
}

void file_call(struct call *c, const struct file_call *from)
{
    struct file_call *f = call_alloc(c, sizeof *f);
    if (!f)
        return;
    *f = *from;
    f->c = c;
    f->request.data = f;
    buf_init(&f->members, LIMIT_REPLY);
    if (uv_queue_work(c->app->loop, &f->request, on_worker, on_done) != 0) {
        f->ok = err_set(&f->e, ERR_UNAVAILABLE, "no worker thread can be had");
        answer(f);
    }
}
