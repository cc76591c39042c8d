/* Shared by operation.c (its life), operation_start.c (its programs), operation_borgmatic.c (borgs
 * below a borgmatic), operation_worker.c (files) and operation_report.c (what is said of it). */
#ifndef BACKUP_RUN_OPERATION_INTERNAL_H
#define BACKUP_RUN_OPERATION_INTERNAL_H

#include "backup/create/progress_show.h"
#include "backup/run/operation.h"
#include "backup/run/run.h"
#include "base/arena.h"
#include "base/buf.h"

enum { OPERATION_NO_RUN = -1 };

struct operation {
    struct backup_context context;
    struct borgmatic_tools tools;
    struct resolved *config;
    char *repository;
    struct secret *borg_passphrase, *ssh_passphrase, *more_masked;
    struct secret *masks[LIMIT_YAML_MASKS];
    size_t mask_count;
    const char *done_word, *done_sentence;
    const struct operation_plan *plan;
    void *data;

    struct job *job;
    struct control *control; /* ours until the run owns it */
    struct run *run;
    bool stopping, ended;
    bool over_before_stop;       /* what ran had ended before anyone asked it to stop */
    bool by_borgmatic;           /* the last program was borgmatic */
    const char *command;         /* the borg command that does borgmatic's work; static */
    const char *const *more_env; /* for borgmatic; static */
    size_t borg_runs;
    struct operation_repo repos[LIMIT_REPOS];
    size_t repo_count;
    struct operation_repo *current;
    struct progress_show progress;
    struct verdict *said; /* of a program that is no borg */
    struct buf out;
    void (*on_stdout)(void *data, const char *p, size_t n);
    struct operation_result result;
    char *out_tail, *err_tail; /* of what ran last */
    uv_work_t worker;
    void (*work)(void *data);
    const char *stop_note; /* static */
    char field[64];        /* the parameter at fault, for operation_fail */
};

/* operation_start.c: makes a control (with the callbacks that `spec` has already) and starts a
 * program under it. */
struct operation_start {
    const char *file;
    const char *const *argv, *const *env;
    bool direct;
    int pass_fd, cwd_fd;
    enum operation_out out;
    size_t keep_max;
    void (*on_stdout)(void *data, const char *p, size_t n);
    bool hear_borg; /* stderr is borg's JSON lines */
};
bool operation_open_control(struct operation *op, struct control_spec *spec, struct err *e);
bool operation_start(struct operation *op, const struct operation_start *s, struct err *e);
/* Base, then what is added (may be NULL); NULL-terminated, in the arena. NULL: no memory. */
const char *const *operation_join(struct arena *a, const char *const *base,
                                  const char *const *more);
/* operation_borgmatic.c: a repository's borg begins; its books are fresh. False: no memory. */
bool operation_repo_begin(struct operation *op, struct operation_repo *r);
/* operation_report.c */
void operation_drop_reports(struct operation *op);

#endif
