/* emergency_report: what an emergency shutdown would do, does, and has done, as JSON in the
 * reference API's shape: {"umount","kill_borgmatic","stop_containers","cache_cleanup"}. Filled on
 * the loop's thread and by a task, never by both at a time. Pure. */
#ifndef API_EMERGENCY_REPORT_H
#define API_EMERGENCY_REPORT_H

#include "aio/job/halt.h"
#include "backup/run/presence.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "jobs/job.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>

enum emergency_level { EMERGENCY_HOLD, EMERGENCY_LEVEL_JOBS, EMERGENCY_ALL };
const char *emergency_level_name(enum emergency_level l);      /* "hold", "jobs", "all" */
enum emergency_level emergency_level_parse(const char *level); /* what is none of them is "all" */

/* One job of ours. */
struct emergency_job {
    char id[128], kind[32], mount_point[512]; /* "" when it is no mount */
    bool workflow;                            /* of AIO's: it may go on */
    bool restarts;                            /* its end starts AIO's stack again */
    bool recovers;                            /* it is just being ended after a crash */
    bool ended;
};

struct emergency_report {
    enum emergency_level level;
    bool would; /* a dry run: nothing was touched */
    struct emergency_job jobs[EMERGENCY_JOBS];
    size_t job_count;
    bool jobs_done; /* they were told to end, and waited for */
    /* filled by a task */
    bool looked; /* `presence` is valid */
    struct presence presence;
    bool planned;            /* `halt` is valid */
    bool stack_done;         /* the containers were stopped, as far as that went */
    struct halt halt;        /* valid if planned */
    char stack_skipped[128]; /* why they are not stopped, or "" */
    struct err stack_error;  /* why they could not be */
    char hint[256];          /* of that */
};

struct emergency_verdict {
    enum job_state state;
    enum err_code api;
    const char *word; /* static */
    char sentence[512];
};
/* How it ended. `hold`: why the hold is not durable, or no error. */
void emergency_judge(const struct emergency_report *r, const struct err *hold,
                     struct emergency_verdict *v);

/* "results": {…} */
void emergency_write_results(const struct emergency_report *r, struct jsonw *w);

#endif
