/* aio_answer: what a request for a workflow of AIO gets for an answer, in the reference API's
 * shapes, made from the job's result. c->state is its struct aio_call. Loop's thread. */
#ifndef API_AIO_ANSWER_H
#define API_AIO_ANSWER_H

#include "api/aio_call.h"

/* Answers when the job has ended, or past the caller's time. */
void aio_answer_await(struct call *c, struct job *j);

/* c->members and c->fault_members. */
void aio_answer_members(struct call *c, struct jsonw *w, const struct job *j);
void aio_answer_fault(struct call *c, struct jsonw *w, const struct job *j);
/* c->late: 408 with "still_running", or 200 with "pending". */
void aio_answer_late(struct call *c, struct job *j);

#endif
