/* What an emergency shutdown finds, and what is written down of it. */
#include "aio/job/job.h"
#include "api/emergency_job.h"
#include "backup/restore/mount.h"
#include "jobs/hold.h"
#include "policy/audit.h"

#include <stdio.h>
#include <string.h>

static void note_mount(void *arg, const struct mount *m)
{
    struct emergency_report *r = arg;
    const struct job *j = mount_job(m);
    for (size_t i = 0; j && i < r->job_count; i++)
        if (strcmp(r->jobs[i].id, job_id(j)) == 0)
            (void)snprintf(r->jobs[i].mount_point, sizeof r->jobs[i].mount_point, "%.511s",
                           mount_point(m));
}

static void note_job(void *arg, struct job *j)
{
    struct emergency_report *r = arg;
    if (r->job_count == EMERGENCY_JOBS)
        return;
    struct emergency_job one = {.recovers = job_recovers(j)};
    for (size_t i = 0; i < job_key_count(j); i++) {
        if (strcmp(job_key(j, i), EMERGENCY_KEY) == 0)
            return;
        one.restarts = one.restarts || strcmp(job_key(j, i), AIO_KEY) == 0;
    }
    one.workflow = strncmp(job_kind(j), AIO_KIND, strlen(AIO_KIND)) == 0;
    (void)snprintf(one.id, sizeof one.id, "%s", job_id(j));
    (void)snprintf(one.kind, sizeof one.kind, "%s", job_kind(j));
    r->jobs[r->job_count++] = one;
}

void emergency_job_look(struct app *app, struct emergency_report *r)
{
    const struct config *set = app->config;
    if (r->level >= EMERGENCY_LEVEL_JOBS) {
        jobs_each(app->jobs, note_job, r);
        mounts_each(note_mount, r);
    }
    if (r->level == EMERGENCY_ALL && set->aio_master_set && !set->aio_master[0])
        (void)snprintf(r->stack_skipped, sizeof r->stack_skipped,
                       "AIO_MASTER is empty: there is "
                       "no Nextcloud AIO");
}

void emergency_audit(struct app *app, const struct emergency_spec *s, const char *action,
                     const char *job_id, const char *outcome)
{
    const struct audit_entry entry = {.action = action,
                                      .role = s->role,
                                      .identity = s->identity,
                                      .address = s->address,
                                      .label = emergency_level_name(s->level),
                                      .reason = s->reason,
                                      .job = job_id,
                                      .outcome = outcome};
    (void)audit_write(app->audit, &entry);
}
