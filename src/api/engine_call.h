/* engine_call: a request that asks the Docker Engine: its work runs in a task (sys/task) with an
 * engine of its own, then it is answered. */
#ifndef API_ENGINE_CALL_H
#define API_ENGINE_CALL_H

#include "api/call.h"
#include "docker/engine.h"

/* Runs `work` on a task's thread, then `after` on the loop, both with `data`, which must live as
 * long: the request's arena does; `after` answers the call. `work` touches nothing of the call.
 * When no task can be had the call is answered with an error, and false. */
bool call_in_task(struct call *c, void (*work)(struct engine *en, void *data),
                  void (*after)(struct call *c, void *data), void *data);
/* Answers with the error, and for one of the Engine's with "hint" (may be "") and "proxy_mode". */
void call_engine_error(struct call *c, const struct err *e, const char *hint);

#endif
