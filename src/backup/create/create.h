/* create: the work of a backup job: borgmatic create on one config, then the proof.
 *
 * One borg run per repository is expected; each has its verdict, each archive is read back from
 * borg after the run, and the job's state is the worst of them. A dry run needs no archive. Loop's
 * thread only. */
#ifndef BACKUP_CREATE_CREATE_H
#define BACKUP_CREATE_CREATE_H

#include "backup/repo/resolve.h"
#include "backup/run/borgmatic.h"
#include "base/err.h"
#include "base/secret.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <uv.h>

enum { CREATE_MASKED = 4 };

struct create_spec {
    uv_loop_t *loop;
    struct store *store;
    const struct borgmatic_tools *tools;     /* copied */
    struct resolved *config;                 /* a reference is taken */
    const char *label;                       /* of the config */
    const struct borgmatic_options *options; /* strings copied */
    bool dry_run;
    bool progress_lines; /* a text line a second beside the structured progress */
    const struct secret *borg_passphrase, *ssh_passphrase; /* copied; NULL: not given */
    /* The daemon's own secrets, so that no hook shows them either; NULL where there is none; they
     * outlive the work. */
    const struct secret *masked[CREATE_MASKED];
    const char *const *env;            /* base environment of children; outlives the work */
    const char *path, *tz, *state_dir; /* outlive the work */
};

/* The work for job_spec.work, to be driven by create_ops; NULL when memory is gone. */
void *create_work_new(const struct create_spec *spec);
extern const struct job_ops create_ops;

/* What a start after our death needs to know of the job: {"file","location",…}, without secrets;
 * for job_spec.private_json. mem_free. */
char *create_private_json(const struct create_spec *spec);

#endif
