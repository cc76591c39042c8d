/* ending: ends everything that runs for one job, and knows when nobody is left.
 *
 * Processes are known by an entry of their environment (BORGMATIC_API_JOB=<id>), so that also those
 * are found that left the session. Steps: the owner's polite request (SIGINT to borg, which then
 * writes a checkpoint), after END_INT_MS SIGTERM to all, after END_TERM_MS SIGKILL to all, for
 * END_KILL_MS. /proc is read every END_SCAN_MS on a worker thread. Loop's thread only. */
#ifndef SYS_ENDING_H
#define SYS_ENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct ending;

struct ending_spec {
    const char *entry; /* "NAME=value" */
    /* The polite request; returns how many it reached. 0 means there is nobody to ask: SIGTERM
     * follows at once. NULL: only wait for them to go (END_INT_MS), then go on with SIGTERM. */
    unsigned (*ask)(void *arg);
    /* Nobody is left, or (left > 0) END_KILL_MS after SIGKILL somebody still was. Once, never from
     * inside a call. */
    void (*done)(void *arg, size_t left);
    void *arg;
};

struct ending *ending_start(uv_loop_t *loop, const struct ending_spec *spec);
/* Goes on with SIGTERM now. */
void ending_hurry(struct ending *e);
/* The owner goes away: no callback follows, signals already due are still sent. NULL is a no-op.
 * After done it must be called to free. */
void ending_free(struct ending *e);

#endif
