/* hold: after an emergency no new work is taken until somebody says so.
 *
 * In force it makes jobs refuse every job that changes something (ERR_EMERGENCY_HOLD), but for
 * those that belong to the emergency itself (job_spec.in_hold). It stands in STATE_DIR, fsynced, so
 * that a crash or a restart does not lift it; together with what the shutdown stopped and what a
 * resume owes for that. A file that cannot be read counts as a hold. Loop's thread only. */
#ifndef JOBS_HOLD_H
#define JOBS_HOLD_H

#include "base/err.h"
#include "base/jsonw.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define EMERGENCY_KEY "emergency" /* what a shutdown's and a resume's job hold */

enum { HOLD_STOPPED = 2048, HOLD_REASON = 500 };

struct hold_state {
    bool on;
    /* Containers of Nextcloud AIO that a shutdown stopped, or was about to: a resume starts them
     * again. */
    bool owes_start;
    char stopped[HOLD_STOPPED]; /* their names, separated by commas */
    char level[8];              /* "hold", "jobs" or "all" */
    char job_id[128];           /* of the shutdown */
    char role[16], reason[HOLD_REASON + 1];
    int64_t since_ms; /* Unix time */
};

struct hold;

/* Reads the file (blocks: before the loop runs) and puts the hold into force. `jobs` must outlive
 * it. NULL: no memory, or the folder cannot be opened. */
struct hold *hold_open(uv_loop_t *loop, const char *state_dir, struct jobs *jobs, struct err *e);
/* Frees it and runs `closed` (may be NULL) with `arg`: at once, maybe from inside, or when what is
 * being written is, after its `done`. hold_set is refused from now on. */
void hold_close(struct hold *h, void (*closed)(void *arg), void *arg);

/* What is in force. Borrowed; changes with hold_set. */
const struct hold_state *hold_state(const struct hold *h);
/* Why the file could not be read or written, or "". */
const char *hold_problem(const struct hold *h);

/* In force at once; `done` (once, never from inside) when it is durable too, or `e` says why it is
 * not: then it ends with our process. A state that neither holds nor owes anything removes the
 * file. One at a time: false while another is under way, and after hold_close. */
bool hold_set(struct hold *h, const struct hold_state *s,
              void (*done)(void *arg, const struct err *e), void *arg);

/* {"level","since","job_id","role","reason"}, or null when it is not in force. */
void hold_write(const struct hold *h, struct jsonw *w);

#endif
