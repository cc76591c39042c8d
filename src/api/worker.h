/* worker: file work of a request on a worker thread, so that the loop never waits for a disk. */
#ifndef API_WORKER_H
#define API_WORKER_H

#include "api/call.h"

/* Runs `work` on a worker thread, then `after` on the loop, both with `data` (it must live as long:
 * the request's arena does, the call is answered by `after`). `work` touches nothing of the call.
 * When no worker can be had the call is answered with an error, and false. */
bool call_in_worker(struct call *c, void (*work)(void *data),
                    void (*after)(struct call *c, void *data), void *data);

#endif
