/* config_call: a request about one configuration on its way to its job.
 *
 * Finds the file of the label, asks what it means (backup/repo/resolve), picks the repository, then
 * hands over; makes the job and answers: when it has ended, or at once with the job (`started`, or
 * the client's Prefer: respond-async). Lives in the request's arena, so until the answer: whoever
 * answers must not look at it again. Loop's thread. */
#ifndef API_CONFIG_CALL_H
#define API_CONFIG_CALL_H

#include "api/call.h"
#include "backup/run/context.h"
#include "backup/run/operation.h"

#include <limits.h>
#include <stdbool.h>

struct config_call {
    struct call *c;
    const char *label;
    char file[PATH_MAX];
    struct borgmatic_tools tools;
    struct backup_context context;
    struct resolved *config;          /* valid during `go` */
    const struct resolved_repo *only; /* of repository_label, or NULL; valid during `go` */
    bool started;
};

/* Asks what the configuration `label` means and calls `go` with that, or answers the call (404, 422
 * invalid_config, 400 for an unknown repository_label, …). */
void config_call(struct call *c, const char *label, void (*go)(struct config_call *cc));

struct config_job {
    const char *kind;
    bool reading; /* changes nothing: shares the repositories' lock, ends when nobody waits */
    bool shares;  /* only reads the repositories, but is no mere question: goes on by itself */
    bool yields, unslotted, in_hold;
    bool queues;         /* waits for its turn although the caller did not ask for it */
    bool equal_joins;    /* a reading job: an equal question waits for the same job */
    bool started;        /* answered as soon as it runs, as the reference API's check */
    bool ready;          /* answered when it is ready (job_ready), with c->members */
    bool document;       /* the answer is the job's document: always awaited */
    unsigned deadline_s; /* 0: the call's "timeout" or "process_timeout", else the usual one */
    const char *done_word, *done_sentence;
    const char *private_members; /* see operation_private */
    const char *key;             /* one more key to hold beside the repositories', or NULL */
    const struct secret *more_masked;
    const struct operation_plan *plan;
    void *data; /* the plan's; taken */
};

/* From `go`: makes the operation's job on cc->config and answers the call. */
void config_call_job(struct config_call *cc, const struct config_job *j);

/* The same for a job without a configuration (keys of its own; label may be NULL): `keys` as in
 * job_spec, ended by NULL. */
void plain_call_job(struct call *c, const struct borgmatic_tools *tools, const char *label,
                    const char *const *keys, const struct config_job *j);

/* The context of the daemon's children. */
void app_context(const struct app *app, const struct borgmatic_tools *tools,
                 struct backup_context *out);

/* Answers 428 unless the parameter "confirm" is exactly `wanted`. */
bool call_confirmed(struct call *c, const char *wanted);

#endif
