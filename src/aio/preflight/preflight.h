/* preflight: everything that is looked at before a run touches anything. Each check has an id, a
 * result, what was found and how to mend it. What cannot be seen from here is `unknown`, never ok,
 * and blocks only a strict run. Blocks; a task's thread. */
#ifndef AIO_PREFLIGHT_PREFLIGHT_H
#define AIO_PREFLIGHT_PREFLIGHT_H

#include "aio/config/config_file.h"
#include "aio/context.h"
#include "aio/look/look.h"
#include "base/jsonw.h"

#include <stdbool.h>

enum preflight_result {
    PREFLIGHT_OK,
    PREFLIGHT_WARNING,
    PREFLIGHT_FAILED,
    PREFLIGHT_UNKNOWN,
    PREFLIGHT_SKIPPED
};

struct preflight_check {
    const char *id; /* static: "engine", "mastercontainer", "idle", "schedule", … */
    enum preflight_result result;
    char finding[256], remedy[256];
};

enum { PREFLIGHT_CHECKS_MAX = 32 };

struct preflight_wants {
    bool backs_up, stops, starts, updates, checks; /* what the run would do */
    const struct aio_target *targets;              /* a switched target each; NULL: AIO's own */
    size_t target_count;
    bool strict;
};

struct preflight {
    struct preflight_check checks[PREFLIGHT_CHECKS_MAX];
    size_t count;
    struct aio_look look;         /* as found */
    struct aio_settings settings; /* valid if settings_read */
    bool settings_read;
    bool passed;        /* no check failed; under strict none unknown either */
    struct err refusal; /* of the first that blocks: ERR_AIO_BUSY, ERR_CONTAINER_NOT_FOUND,
                           ERR_PREFLIGHT (field: the check's id), … */
};

/* False and `e` only when it was to stop; everything else is a finding. */
bool preflight_run(struct engine *en, const struct aio_context *x, const struct preflight_wants *w,
                   struct preflight *out, struct err *e);
void preflight_write(const struct preflight *p, struct jsonw *w); /* members: passed, checks:[…] */

#endif
