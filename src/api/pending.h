/* pending: calls that wait for something that is no job (a look at locks, a connection tried).
 *
 * What they wait for is given up when the client goes away, and when the daemon goes down (the call
 * is then answered with 503). Lives in the request's arena. Loop's thread. */
#ifndef API_PENDING_H
#define API_PENDING_H

#include "api/call.h"

struct pending {
    struct pending *next, **at; /* in app->pending */
    struct call *c;
    void (*stop)(void *arg); /* gives up what is waited for; must not answer */
    void *arg;
};

void pending_begin(struct pending *p, struct call *c, void (*stop)(void *arg), void *arg);
/* What was waited for is there; the call is still to be answered. */
void pending_end(struct pending *p);
/* The daemon goes down. */
void pending_stop(struct app *app);

#endif
