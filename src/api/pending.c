#include "api/pending.h"

void pending_end(struct pending *p)
{
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    http_on_gone(p->c->req, NULL, NULL);
}

static void on_gone(void *arg)
{
    struct pending *p = arg;
    pending_end(p);
    p->stop(p->arg);
    call_send(p->c, 200, NULL, NULL); /* nobody is there to read it */
}

void pending_begin(struct pending *p, struct call *c, void (*stop)(void *arg), void *arg)
{
    struct app *app = c->app;
    *p = (struct pending){
        .next = app->pending, .at = &app->pending, .c = c, .stop = stop, .arg = arg};
    if (p->next)
        p->next->at = &p->next;
    app->pending = p;
    http_on_gone(c->req, on_gone, p);
}

void pending_stop(struct app *app)
{
    struct err e;
    (void)err_set(&e, ERR_DRAINING, "the daemon is going down");
    for (struct pending *p; (p = app->pending) != NULL;) {
        pending_end(p);
        p->stop(p->arg);
        call_error(p->c, &e);
    }
}
