/* emergency_job: the work of an emergency shutdown: hold new work, end ours, stop AIO's stack, as
 * far as the level says; each step is in the job's result as it comes.
 *
 * It waits for nobody's turn: it takes no slot, and no key but EMERGENCY_KEY. A stop that is asked
 * for ends it where it is; what was done stays, and the hold with it. Loop's thread. */
#ifndef API_EMERGENCY_JOB_H
#define API_EMERGENCY_JOB_H

#include "api/app.h"
#include "api/emergency_report.h"
#include "jobs/job.h"

#define EMERGENCY_KIND "emergency-shutdown"

struct emergency_spec {
    struct app *app;
    enum emergency_level level;
    const char *role, *identity, *address, *reason; /* copied; reason may be NULL */
};

/* The work for job_spec.work; NULL when memory is gone. */
void *emergency_job_new(const struct emergency_spec *s);
extern const struct job_ops emergency_job_ops;

/* The jobs that it would end, and why the containers would not be stopped: for a dry run as well.
 */
void emergency_job_look(struct app *app, struct emergency_report *r);
/* One entry of the audit log; nothing waits for it: an emergency is no time to refuse. */
void emergency_audit(struct app *app, const struct emergency_spec *s, const char *action,
                     const char *job_id, const char *outcome);

#endif
