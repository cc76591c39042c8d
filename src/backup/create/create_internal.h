/* Shared by create.c (the run), create_follow.c (its borgs), create_proof.c (what is found
 * afterwards) and create_report.c (what is said of it). */
#ifndef BACKUP_CREATE_CREATE_INTERNAL_H
#define BACKUP_CREATE_CREATE_INTERNAL_H

#include "backup/create/create.h"
#include "backup/create/progress_show.h"
#include "backup/create/verdict.h"
#include "backup/run/run.h"
#include "limits.h"

enum { ARCHIVE_NAME = 256, ARCHIVE_ID = 80, NO_RUN = -1 };

/* One repository of the job and what is known of its borg. */
struct create_repo {
    const struct resolved_repo *repo; /* borrowed from the config */
    struct verdict *verdict;
    int64_t run;   /* number of the borg whose messages count, NO_RUN: none yet */
    bool main_ran; /* the create itself, not one of borgmatic's looks before it */
    bool exited;
    int code, signal;
    char archive[ARCHIVE_NAME], archive_id[ARCHIVE_ID]; /* as borg's statistics name it */
    json_t *found;                                      /* the archive as read back */
    int64_t expected_original;
};

struct create {
    uv_loop_t *loop;
    struct store *store;
    struct borgmatic_tools tools;
    struct resolved *config;
    char *label;
    struct borgmatic_options options;
    char *comment, *repository_label;
    bool dry_run;
    struct secret *borg_passphrase, *ssh_passphrase;
    const struct secret *masked[CREATE_MASKED];
    const char *const *env;
    const char *path, *tz, *state_dir;

    struct job *job;
    struct control *control; /* ours until the run owns it */
    struct run *run;
    bool stopping;
    bool ended_by_itself; /* the run was over before anyone asked it to stop */
    struct create_repo repos[LIMIT_REPOS];
    size_t repo_count;
    size_t borg_runs;
    struct progress_show progress;
    const struct create_repo *current;
    int code, signal;
    size_t left;
    size_t proving; /* the repository that is looked at now */
    uv_work_t look; /* at the lock's file, on a worker thread */
    char lock[512], holder[192];
    struct err closed; /* why a repository could not be opened after a dry run */
};

/* create_follow.c: has the control's callbacks keep the books of c. */
void create_follow(struct create *c, struct control_spec *spec);
/* create_proof.c: looks at each repository that ran, then calls create_finish. */
void create_prove(struct create *c);
/* create_report.c: composes result and verdict, ends the job; c is freed by the job. */
void create_finish(struct create *c);
/* Ends the job that could not even start its borgmatic. */
void create_fail(struct create *c, const struct err *e);
/* "result" of the record. `masked` by the run's secrets. */
void create_result_json(const struct create *c, struct buf *out);

#endif
