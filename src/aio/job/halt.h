/* halt: AIO's stack stopped in AIO's order without AIO's script, for emergencies: also while the
 * mastercontainer is ill. Blocks; a task's thread.
 *
 * The order and the graces are those of AIO's StopContainers: collabora, apache, then what they
 * depend on; Nextcloud gets 600 s and the database 1800 s, because it dumps itself when it is told
 * to stop and a stop that does not wait for that leaves no backup of it. The mastercontainer,
 * borgbackup, watchtower and domaincheck are no part of the stack and are left alone, and so is
 * the container that we run in. */
#ifndef AIO_JOB_HALT_H
#define AIO_JOB_HALT_H

#include "aio/context.h"
#include "aio/look/look.h"
#include "docker/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum halt_state { HALT_WAITING, HALT_STOPPED, HALT_FAILED };

struct halt_step {
    char name[AIO_CONTAINER_NAME];
    int grace_s; /* that it gets; −1: its own, which is not known before */
    enum halt_state state;
    int exit_code; /* when it has stopped; −1 unknown. 137: it was killed after its grace */
    int64_t ms;    /* how long it took */
    char problem[256];
};

struct halt {
    struct halt_step steps[AIO_CONTAINERS_MAX]; /* those that run, in the order of stopping */
    size_t count;
    char left[AIO_CONTAINERS_MAX][AIO_CONTAINER_NAME]; /* those that run and are left alone */
    size_t left_count;
    bool found;       /* there are containers of AIO */
    bool stack_up;    /* apache and nextcloud ran */
    const char *busy; /* a run of AIO's own that is active: it is not ended; static, or NULL */
};

/* What would be stopped. False when the Engine cannot be asked. */
bool halt_plan(struct engine *en, const struct aio_context *x, struct halt *out, struct err *e);
/* Stops them one after the other, then looks whether they have stopped; what fails does not keep
 * the others up. `tell` (may be NULL) hears of each before (HALT_WAITING) and after. False when it
 * was to stop, or none of it could be asked; the steps say how far it came. */
bool halt_run(struct engine *en, const struct aio_context *x, struct halt *h,
              void (*tell)(void *arg, const struct halt_step *s), void *arg, struct err *e);

/* The names in the order of stopping, sorted in place; pure. */
void halt_sort(struct halt_step *steps, size_t n);
/* It belongs to the stack; pure. */
bool halt_concerns(const char *name, const char *master);

#endif
