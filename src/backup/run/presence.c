#include "backup/run/presence.h"

#include "sys/mountinfo.h"
#include "sys/procfs.h"

#include <stdio.h>
#include <string.h>

static void see_process(void *arg, pid_t pid)
{
    struct presence *p = arg;
    bool borgmatic = procfs_is_program(pid, "borgmatic");
    if (!borgmatic && !procfs_is_program(pid, "borg"))
        return;
    p->borgmatics += borgmatic;
    p->borgs += !borgmatic;
    if (p->program_count == PRESENCE_PROGRAMS)
        return;
    struct presence_program *one = &p->programs[p->program_count++];
    *one = (struct presence_program){.pid = pid, .borgmatic = borgmatic};
    if (!procfs_env_value(pid, "BORGMATIC_API_JOB", one->job, sizeof one->job))
        one->job[0] = '\0';
}

static void see_mount(void *arg, const struct mountinfo *m)
{
    struct presence *p = arg;
    if (!mountinfo_is_borg(m))
        return;
    for (size_t i = 0; i < p->mount_count; i++)
        if (strcmp(p->mount[i].device, m->device) == 0)
            return;
    p->mounts++;
    if (p->mount_count == PRESENCE_MOUNTS)
        return;
    struct presence_mount *one = &p->mount[p->mount_count++];
    (void)snprintf(one->point, sizeof one->point, "%.511s", m->point);
    (void)snprintf(one->device, sizeof one->device, "%s", m->device);
}

void presence_look(struct presence *out)
{
    *out = (struct presence){0};
    procfs_each(see_process, out);
    mountinfo_each(see_mount, out);
}

void presence_write_programs(const struct presence *p, bool foreign_only, struct jsonw *w)
{
    jsonw_begin_array(w);
    for (size_t i = 0; i < p->program_count; i++) {
        const struct presence_program *one = &p->programs[i];
        if (foreign_only && one->job[0])
            continue;
        jsonw_begin_object(w);
        jsonw_kint(w, "pid", one->pid);
        jsonw_kstr(w, "program", one->borgmatic ? "borgmatic" : "borg");
        jsonw_kstr(w, "job_id", one->job[0] ? one->job : NULL);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}
