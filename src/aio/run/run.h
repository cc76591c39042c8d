/* run: the workflow of every AIO job, in one line: preflight, journal, change, exec, follow,
 * verdict, put back, service check. Blocks; a task's thread; one at a time (the job's key "aio").
 *
 * What happens is told as it happens by `tell`; the outcome is complete when it returns, also after
 * a failure. The daily script cannot be stopped: closing its stream does nothing to it. So a cancel
 * is honoured before the exec, and while the script waits and has stopped nothing yet (then we
 * leave it waiting: `cancelled` and `still_running`); at any other time it is recorded (notice
 * "cancel_requested") and means that nothing further is begun: no next target, no second pass, but
 * the stack is started as was meant. When the daemon goes down the run is left with its journal,
 * and `left` says so. */
#ifndef AIO_RUN_RUN_H
#define AIO_RUN_RUN_H

#include "aio/context.h"
#include "aio/look/service.h"
#include "aio/preflight/preflight.h"
#include "aio/run/stages.h"
#include "aio/target/target.h"
#include "base/buf.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AIO_KEY "aio" /* what every AIO job holds */

enum { AIO_TARGETS_MAX = 8, AIO_ENV_MAX = 8, AIO_ENV = 48 };

struct aio_wants {
    bool daily_backup, check_backup, stop_containers, start_containers, automatic_updates;
    bool send_notifications; /* SEND_SUCCESS_NOTIFICATIONS */
    bool strict;
    /* This stop is the first half of a job that starts the stack again itself: the journal stays,
     * so that a start after our death does it, until the run with start_containers of the same
     * job_id has ended. */
    bool owes_start;
    struct aio_target targets[AIO_TARGETS_MAX];
    size_t target_count; /* 0: AIO's own */
    bool restore_after;  /* put the original back */
    char job_id[AIO_JOB_ID];
};

/* Told in order, on the task's thread. NULL members are not wanted. */
struct aio_tell {
    void (*stage)(void *arg, enum aio_stage s);
    /* "stdout", "stderr", "borg" … : one line, secrets masked, without its line end. */
    void (*line)(void *arg, const char *kind, const char *line, size_t n);
    /* "stalled", "resumed", "cancel_requested": kind and a sentence. */
    void (*notice)(void *arg, const char *event, const char *sentence);
    /* An exec that passed the whitelist, before it is created: for the audit trail. */
    void (*executed)(void *arg, const char *container, const char *command);
    void *arg;
};

struct aio_backup { /* of one target */
    struct aio_target target;
    char word[48], sentence[384]; /* its verdict; word "succeeded" when it was one */
    bool ok;
    char archive[128]; /* that came to be, or "" */
    int exit_code;     /* of the borgbackup container; −1 unknown */
    char container_id[65];
    bool container_new, finish_line, success_line, archive_listed, target_as_meant;
    json_t *before, *after; /* its State as inspected, or NULL */
    char *log_tail;         /* redacted */
};

struct aio_outcome {
    bool ok, warning;
    char word[48], sentence[384];
    enum err_code api; /* what an awaited request gets */
    char field[64];
    bool left;          /* what was begun is not over (the daemon goes down, or a bound was
                           reached): the journal stays and aio_run_recover ends it */
    bool cancelled;     /* before anything was stopped */
    bool still_running; /* AIO's run goes on although we do not wait any more */
    bool stack_was_up, service_checked;
    struct aio_service service;
    int64_t down_ms; /* how long Nextcloud did not run; −1 unknown */
    char *out, *err; /* tails of the script's streams, secrets masked; NULL before an exec */
    int returncode;  /* of the script; −1 unknown */
    char env[AIO_ENV_MAX][AIO_ENV]; /* "KEY=value" as sent with the (first) exec */
    size_t env_count;
    struct aio_backup backups[AIO_TARGETS_MAX];
    size_t backup_count;
    struct preflight preflight;
    bool target_restored;
    char stopped[1024];          /* names of containers that were stopped, by commas */
    bool dump_clean, dump_known; /* the database's dump, after a stop (aio/run/dump.h) */
    char dump_problem[256];      /* why it is not clean, or not known; "" */
};
void aio_outcome_done(struct aio_outcome *o);

/* `cancel` is looked at in the waiting stages. */
void aio_run(struct engine *en, const struct aio_context *x, const struct aio_wants *w,
             const struct aio_tell *tell, const atomic_bool *cancel, struct aio_outcome *out);
/* Is there a run that we did not see the end of? `job_id` gets its job's, or "". While there is one
 * aio_run refuses with ERR_RECOVERING. Reads a file or two; any thread. */
bool aio_run_pending(const struct aio_context *x, char job_id[AIO_JOB_ID]);
/* Ends it: waits until no AIO run is active, puts the target back, sees to the stack, and says what
 * is known (word "interrupted", or "nothing_pending"). */
void aio_run_recover(struct engine *en, const struct aio_context *x, const struct aio_tell *tell,
                     struct aio_outcome *out);

#endif
