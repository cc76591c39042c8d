/* job_look: finds the job a request is about, in memory or in the store, and answers 404 when there
 * is none, or 401 when the ticket that came with the request has outlived it. Loop's thread only.
 */
#ifndef API_JOB_LOOK_H
#define API_JOB_LOOK_H

#include "api/call.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <stdint.h>

struct job_look {
    const char *id;
    struct job *job;    /* when it is in memory, else NULL … */
    const char *record; /* … and then its record as JSON, and its state */
    const char *state;
    bool ended;
    uint64_t last_event; /* of an ended job */
};

/* Calls `found` at once or in a later turn; `look` is valid during that call. */
void job_look(struct call *c, const char *id,
              void (*found)(struct call *c, const struct job_look *look));

#endif
