/* operation: the work of a job that is made of programs run one after the other.
 *
 * A plan says what is done. Its `step` is called when the job's turn has come and again whenever
 * what it started has ended; each call starts one thing more (operation_borg, operation_borgmatic,
 * operation_program) or ends the operation (operation_end, operation_end_worst, operation_fail).
 * The operation gives every program the job's marker, masks and keeps its output, shows borg's
 * progress, collects borg's messages for the verdict, and ends what runs when the job is to stop:
 * `step` is then called with `stopped`, and must end the operation.
 *
 * borg is run directly, with what borgmatic would have given it (resolve), where borgmatic adds
 * nothing; borgmatic where the configuration decides what is done (check, prune, compact, …).
 * Loop's thread only. */
#ifndef BACKUP_RUN_OPERATION_H
#define BACKUP_RUN_OPERATION_H

#include "backup/create/verdict.h"
#include "backup/repo/resolve.h"
#include "backup/run/context.h"
#include "jobs/job.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>

struct operation;
struct operation_repo;
struct run;

/* What ran last. Valid during the step. */
struct operation_result {
    bool ran;     /* false at the first step */
    bool stopped; /* the job is to stop: end the operation now */
    int code;     /* of the program; 128 + signal when a signal ended it */
    int signal;
    size_t left;                   /* processes that outlived SIGKILL */
    const struct verdict *verdict; /* what borg said, its exit noted (operation_borg), or NULL */
    const char *out;               /* OPERATION_KEEP: stdout, NUL-terminated; "" otherwise */
    size_t out_len;
    bool out_cut; /* stdout was longer than keep_max */
    const char *stdout_tail,
        *stderr_tail; /* last lines of what became events, masked; never NULL */
};

struct operation_plan {
    void (*step)(struct operation *op, void *data, const struct operation_result *last);
    /* The job is to stop while something of the plan's runs or waits. True: the plan ends it in its
     * own way and goes on by itself to operation_end; false, or NULL: what runs is ended as a
     * cancel does, then `step` is called. */
    bool (*stop)(struct operation *op, void *data, enum job_stop why);
    void (*free)(void *data);
    /* What a borg below borgmatic says while it does the wanted work: its JSON lines. NULL: not
     * wanted. */
    void (*heard)(struct operation *op, void *data, struct operation_repo *r, const json_t *m);
    /* Of a borg that ended with a warning's code where that is a finding (check), and of one that
     * ended well although it spoke of errors (it mended them); NULL: as usual. */
    const struct verdict_faults *faults;
};

struct operation_spec {
    const struct backup_context *context; /* copied, with the tools */
    struct resolved *config;              /* a reference is taken; NULL: no configuration */
    const char *repository; /* location of the only repository concerned, or NULL: all of them */
    const struct secret *borg_passphrase, *ssh_passphrase; /* copied; NULL: not given */
    const struct secret *more_masked;                      /* copied: one more secret to mask */
    bool progress_lines;                                   /* borg's progress as text lines too */
    const char *done_word, *done_sentence; /* of a verdict on a borg that ended well; static */
    const struct operation_plan *plan;
    void *data; /* the plan's; freed with plan->free, also when operation_new fails */
};

/* The work for job_spec.work, to be driven by operation_ops; NULL when memory is gone. */
void *operation_new(const struct operation_spec *spec);
extern const struct job_ops operation_ops;
/* For job_spec.private_json: {"file","repositories"}. `more`: members to add, such as
 * "\"mount_point\":\"/mnt\"", or NULL. mem_free. */
char *operation_private(const struct operation_spec *spec, const char *more);
/* For job_spec.keys: the repositories concerned. The work must live. */
void operation_keys(const void *work, struct job_spec *job);

struct job *operation_job(struct operation *op);
const struct backup_context *operation_context(const struct operation *op);
const struct resolved *operation_config(const struct operation *op);
const struct secret *operation_passphrase(const struct operation *op); /* the caller's, or NULL */
bool operation_stopping(const struct operation *op);

/* One more secret (copied) that the output of programs started from now on must not show; at most
 * LIMIT_YAML_MASKS. False: no room. */
bool operation_mask(struct operation *op, const struct secret *s);

/* ---- the repositories concerned ---- */
struct operation_repo {
    const struct resolved_repo *repo;
    struct verdict *verdict; /* of the last borg on it; NULL: none ran */
    bool main_ran;           /* borgmatic: the wanted borg command itself was run */
    bool exited;
    int code, signal; /* the worst of the wanted command's runs */
    int64_t run;      /* number of the borg whose messages count; operation's own */
    char *result; /* members for its entry in the result, "\"archives\":12", or NULL; mem_free'd */
};
size_t operation_repo_count(const struct operation *op);
struct operation_repo *operation_repo(struct operation *op, size_t i);
/* The entry's own members of the result; copied. */
void operation_repo_result(struct operation_repo *r, const char *members);

/* ---- starting something; false and `e`: it could not be started, end with operation_fail ---- */
enum operation_out {
    OPERATION_LINES,  /* stdout's lines become events */
    OPERATION_KEEP,   /* stdout is kept for the next step */
    OPERATION_STREAM, /* stdout goes to on_stdout as it comes */
};

struct operation_borg {
    struct operation_repo *repo;
    const char *const *verb; /* NULL-terminated: "list", "--json", … */
    const char *archive;     /* or NULL; without the repository */
    const char *const *tail; /* what follows the target, or NULL */
    enum operation_out out;
    size_t keep_max; /* OPERATION_KEEP: bytes; 0: LIMIT_SPOOL */
    void (*on_stdout)(void *data, const char *p, size_t n); /* OPERATION_STREAM; data: the plan's */
    const struct secret *passphrase; /* instead of the caller's and the configuration's; or NULL */
    int tty_fd; /* > 0: its terminal (sys/pty), where it asks for passphrases: none is given
                   otherwise; stays the caller's */
    int cwd_fd; /* > 0: folder it starts in; stays the caller's */
    const char
        *confined; /* with cwd_fd: folder of ours to bind it to (backup/restore/confine), or NULL */
    int lock_wait_s;        /* seconds it waits for a lock; 0: ARCHIVE_LOCK_WAIT_S */
    const char *const *env; /* more entries "NAME=value", no secrets; or NULL */
    const char *ssh_key;    /* askpass answers for this key file alone; NULL: for any */
};
bool operation_borg(struct operation *op, const struct operation_borg *b, struct err *e);

/* borgmatic on the whole configuration (or on spec.repository alone). `command` is the borg command
 * that does the work ("check"; several as "check|extract"): its runs decide each repository's
 * verdict. Static. */
bool operation_borgmatic(struct operation *op, enum borgmatic_verb verb,
                         const struct borgmatic_options *options, const char *command,
                         struct err *e);

/* More environment "NAME=value" for the borgmatics started from now on; static, no secrets. */
void operation_env(struct operation *op, const char *const *env);

struct operation_program {
    const char *file;        /* absolute path */
    const char *const *argv; /* NULL-terminated */
    const char *const *env;  /* more entries, or NULL */
    enum operation_out out;
    size_t keep_max;
    const char *ssh_key; /* askpass answers for this key file alone; NULL: for any */
    bool new_key;        /* it is ssh-keygen, and ssh_passphrase is for the key it makes */
    int cwd_fd;          /* > 0: folder it starts in; stays the caller's */
};
bool operation_program(struct operation *op, const struct operation_program *p, struct err *e);

/* Work that blocks (files): `work` on a worker thread, then `step`. It is not ended by a stop,
 * which the step then sees. */
bool operation_worker(struct operation *op, void (*work)(void *data), struct err *e);
/* The exit code for the record, where the last program's own would mislead. */
void operation_exit_code(struct operation *op, int code);
/* Lines of ours on stdout: events, and the answer's "stdout" instead of the last program's. Only
 * while nothing runs. */
void operation_print(struct operation *op, const char *text);

/* What runs now, or NULL (run_pause, run_redact, run_pid). */
struct run *operation_run(struct operation *op);
/* The result so far of the program that ran last (also outside a step). */
const struct operation_result *operation_last(const struct operation *op);

/* ---- the end; once; nothing may run ---- */
/* What the job is for has been done and cannot be taken back: a stop that is asked for does not
 * change how it ends any more. */
void operation_is_done(struct operation *op);
/* `result`: JSON of the record's "result", or NULL: {"repositories":[…]}. A stop that was asked for
 * decides word and sentence unless everything had ended before. */
void operation_end(struct operation *op, const struct verdict_result *v, const char *result);
/* The verdict is the worst of the repositories' (borgmatic's own failure included). `members`: more
 * of the result, "\"dry_run\":true", or NULL. */
void operation_end_worst(struct operation *op, const char *members);
/* This verdict, and a result made as above. */
void operation_end_as(struct operation *op, const struct verdict_result *v, const char *members);
void operation_fail(struct operation *op, const struct err *e);
/* Joins the sentence when a stop that was asked for decides it; static, or NULL. */
void operation_stop_note(struct operation *op, const char *note);
/* Says "succeeded" with this word and sentence. */
void operation_end_well(struct operation *op, const char *word, const char *sentence,
                        const char *result);

#endif
