/* aio_call: a request that starts a workflow of AIO: makes its job and answers, at once with the
 * job, or when it has ended, or when the caller's time for the answer is over: a workflow is not
 * ended by that, so the answer says that it goes on. Loop's thread. */
#ifndef API_AIO_CALL_H
#define API_AIO_CALL_H

#include "aio/job/job.h"
#include "api/call.h"

#include <stdbool.h>

struct aio_call {
    const char *kind; /* AIO_KIND_… */
    struct aio_wants wants;
    const struct aio_target *previous; /* or NULL */
    int wait_s;         /* how long the answer may take; 0: answered at once with the job */
    bool flat;          /* the script's result stands in the answer itself, not in "result" */
    bool with_stop;     /* "with_stop" was asked for: "pre_stop" says that the run does it itself */
    bool pending;       /* past wait_s: 200 with "pending", not 408 */
    const char *effect; /* "containers_stopped", … or NULL */
    const char *warning; /* for "warnings", or NULL; static */
};

/* Takes a copy. Answers in any case: 409 aio_busy or recovering while another job holds AIO_KEY,
 * 404 when there is no AIO (AIO_MASTER is empty). */
void aio_call(struct call *c, const struct aio_call *a);

#endif
