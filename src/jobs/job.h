/* job: the state machine of everything that runs a program or a workflow.
 *
 *   queued → running → succeeded | warning | failed | timed_out | cancelled | interrupted
 *
 * jobs owns every job that is not ended and remembers the last LIMIT_JOBS_RECENT ended ones; older
 * ones are in the store. A job is durable before anyone hears of it, and its end is durable before
 * anyone hears of that. What a job does is its `work`, driven through struct job_ops.
 * Exclusion: a job names keys (normalised repositories, "aio"). Jobs that only read hold them
 * together, as borg's shared lock allows; one that writes holds them alone. A writing job waits for
 * the questions (`reading`) that are before it, those that yield (mounts, downloads: they may last
 * for hours) are stopped for it, and any other holder refuses it. Loop's thread only. */
#ifndef JOBS_JOB_H
#define JOBS_JOB_H

#include "base/buf.h"
#include "base/err.h"
#include "jobs/hub.h"
#include "jobs/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_WARNING,
    JOB_FAILED,
    JOB_TIMED_OUT,
    JOB_CANCELLED,
    JOB_INTERRUPTED,
    JOB_STATES
};
const char *job_state_name(enum job_state s);
bool job_state_parse(const char *name, enum job_state *s);
bool job_state_final(enum job_state s);

enum job_stop { JOB_STOP_CANCEL, JOB_STOP_TIMEOUT, JOB_STOP_SHUTDOWN, JOB_STOP_YIELD };

struct jobs;
struct job;

struct job_ops {
    /* The job's turn has come (state running). The work calls job_end exactly once, later or now.
     */
    void (*start)(struct job *j, void *work);
    /* Wind down; at most once; the work still calls job_end, with what it found. Only after start.
     */
    void (*stop)(struct job *j, void *work, enum job_stop why);
    void (*free)(void *work); /* after the end, or when it never started */
    /* The daemon goes down and the next start can take the work up: instead of stop, and also while
     * it recovers; at most once, maybe after stop. The work calls job_leave, or job_end when it
     * is over all the same. NULL: stop is called, and what recovers is waited for. */
    void (*leave)(struct job *j, void *work);
};

enum { JOB_KEYS_MAX = 18 }; /* LIMIT_REPOS, and what else a job holds */

struct job_spec {
    const char *kind, *label; /* label may be NULL; the id is kind[:label]:n */
    bool label_in_id;         /* the reference API's create:<n> has no label in it */
    bool reading;             /* changes nothing: may be cancelled when nobody waits */
    bool queue;               /* wait for the keys' holder instead of ERR_JOB_RUNNING */
    bool shares;              /* holds its keys together with others that share */
    bool yields;    /* ended (JOB_STOP_YIELD) when a job that does not share wants a key, and
                       at once when the daemon goes down */
    bool unslotted; /* takes none of the MAX_CHILDREN slots: it mostly waits */
    bool in_hold; /* belongs to an emergency: taken while work is on hold, and however many wait */
    const char *keys[JOB_KEYS_MAX];
    size_t key_count;
    const char *role, *address; /* who asked */
    const char *params_json;    /* redacted parameters */
    const char *private_json;   /* for recovery; no secrets */
    const char *status_json;    /* more members of its status events, as in an object; or NULL */
    unsigned deadline_s;        /* 0: JOB_DEADLINE_S */
    const char *idem_key, *idem_fingerprint; /* NULL: none */
    const struct job_ops *ops;
    void *work; /* owned by the job once jobs_create was called */
};

struct jobs *jobs_new(uv_loop_t *loop, struct store *store, struct hub *hub, int64_t last_ms,
                      struct err *e);
void jobs_free(struct jobs *js); /* no job may be running */

/* Makes the job durable, then calls `created` (job NULL and `e` on failure; never from inside),
 * then, when the keys and a child slot (MAX_CHILDREN) are free, starts it; without a free slot, or
 * while its keys are only read, it waits. Refusals that are known at once (ERR_JOB_RUNNING with the
 * other's id in `*in_the_way`, ERR_RECOVERING, ERR_DRAINING, ERR_EMERGENCY_HOLD, ERR_TOO_BUSY) are
 * returned as false; work is then freed and `created` not called. */
typedef void (*job_created)(void *arg, struct job *j, const struct err *e);
bool jobs_create(struct jobs *js, const struct job_spec *spec, job_created created, void *arg,
                 char *in_the_way, size_t in_the_way_size, struct err *e);

/* In memory: not ended, or ended lately. NULL: ask the store. */
struct job *jobs_find(struct jobs *js, const char *id);
size_t jobs_active(const struct jobs *js); /* queued and running */
size_t jobs_running(const struct jobs *js);
/* While on hold every new job that is neither `reading` nor `in_hold` is refused; those that wait
 * already keep their turn (jobs/hold keeps it over a restart). */
void jobs_hold(struct jobs *js, bool on);
/* False and ERR_EMERGENCY_HOLD while on hold. */
bool jobs_open(const struct jobs *js, struct err *e);
/* No new jobs; when none is left `idle` runs (at once in a later turn if there is none now). */
void jobs_drain(struct jobs *js, void (*idle)(void *arg), void *arg);
/* Stops every running job; queued ones end as interrupted. */
void jobs_stop_all(struct jobs *js, enum job_stop why);
/* Adopts a job of a former life (recovery): running, with its keys held; its work ends it. The row
 * is copied. Work's start is called in a later turn. */
bool jobs_adopt(struct jobs *js, const struct store_job *row, uint64_t mark,
                const char *const *keys, size_t key_count, const struct job_ops *ops, void *work,
                struct err *e);
/* True while what a former life left is ended, which takes seconds. One that waits for what goes on
 * outside, maybe for hours, and could be left again (ops->leave) does not count. */
bool jobs_recovering(const struct jobs *js);
/* The job that holds the key (the first of those that share it), or NULL. */
struct job *jobs_holder(struct jobs *js, const char *key);
/* A job that only reads, not ended, of that kind and label (may be NULL) and with those parameters:
 * whoever asks the same may wait for it. NULL when there is none. */
struct job *jobs_find_equal(struct jobs *js, const char *kind, const char *label,
                            const char *params_json);
/* True while a queued job's turn has not come: keys or slots are taken. */
bool jobs_must_wait(const struct jobs *js, const struct job *j);
/* Each active job in order of creation. */
void jobs_each(struct jobs *js, void (*each)(void *arg, struct job *j), void *arg);
/* Called for every ended job (metrics): kind, label, state, seconds. */
void jobs_on_end(struct jobs *js, void (*ended)(void *arg, const struct job *j), void *arg);

/* ---- one job ---- */
const char *job_id(const struct job *j);
const char *job_kind(const struct job *j);
const char *job_label(const struct job *j); /* or NULL */
enum job_state job_state(const struct job *j);
bool job_is_reading(const struct job *j);
bool job_recovers(const struct job *j);
pid_t job_pid(const struct job *j);  /* 0: none yet */
bool job_ready(const struct job *j); /* job_set_ready was called */
size_t job_key_count(const struct job *j);
const char *job_key(const struct job *j, size_t i);
const char *job_last_stage(const struct job *j); /* "" before the first */
int64_t job_started_ms(const struct job *j);
int64_t job_ended_ms(const struct job *j);
uint64_t job_last_event(const struct job *j); /* of an ended job */
struct hub_job *job_hub(struct job *j);       /* of a running one */
/* Where stop is asked for and not yet carried out: the reason that decides the final state. */
bool job_stopping(const struct job *j, enum job_stop *why);
/* DELETE /jobs/{id}. False when it has ended. A queued job ends at once. */
bool job_cancel(struct job *j, enum job_stop why);

/* By the work: */
void job_set_pid(struct job *j, pid_t pid); /* watchers are told */
/* What was asked for is there while the job goes on (a mount); watchers are told. */
void job_set_ready(struct job *j);
/* The result so far says something that those who wait may answer with; watchers are told. */
void job_news(struct job *j);
/* A named stage begins: kept in the record with its time, and a `stage` event. */
void job_stage(struct job *j, const char *stage);
/* Replaces what recovery is told, kept at once (no fsync); no secrets. */
void job_set_private(struct job *j, const char *json);
void job_set_result(struct job *j, const char *json); /* "result" of the record, so far or final */
/* Replaces job_spec.status_json: "\"target\":{…},\"previous\":null". */
void job_set_status(struct job *j, const char *members);
/* One more status event beside those of its states: {"event",…,"message"}. */
void job_notice(struct job *j, const char *event, const char *message);
void job_set_progress(struct job *j, const char *json); /* last progress, while it runs */
/* What the job found, too large for its record (a listing): JSON text, taken from `doc`. Watchers
 * see it when they are told of the end; then it is gone. */
void job_take_document(struct job *j, struct buf *doc);
struct job_outcome {
    enum job_state state; /* a final one; a stop that was asked for overrides it (but see keep) */
    bool keep_state;      /* keep `state` although a stop was asked for (it ended well before) */
    int exit_code;        /* −1: none */
    const char *word, *sentence; /* the verdict's */
    const char *verdict_json; /* {"word","sentence","evidence"} or NULL: made from the two above */
    enum err_code api;        /* what an awaited request gets; ERR_NONE: 200 */
    const char *field;        /* the parameter at fault, or NULL */
    const char *stdout_tail, *stderr_tail; /* for a 502's body; may be NULL */
};
void job_end(struct job *j, const struct job_outcome *o);
/* After `leave`: the job stays unfinished in the store, for the next start to adopt; here it is
 * over as interrupted, and whoever waits for it is told the sentence. */
void job_leave(struct job *j, const char *sentence);
/* For a work that wraps another's: the next job_end does not end the job but is told to `ended`,
 * once. That copies what it needs, and the job goes on (also a stop still reaches the work) until
 * the wrapping work calls job_end itself. */
void job_divert_end(struct job *j,
                    void (*ended)(void *arg, struct job *j, const struct job_outcome *o),
                    void *arg);
enum err_code job_api_error(const struct job *j); /* of an ended job */
const char *job_api_field(const struct job *j);   /* the parameter at fault, "" when none */
const char *job_sentence(const struct job *j);
const char *job_stdout_tail(const struct job *j); /* "" when none */
const char *job_stderr_tail(const struct job *j);
int job_exit_code(const struct job *j);
const char *job_document(const struct job *j); /* NULL when there is none */
const char *job_result(const struct job *j);   /* "result" as JSON, or NULL */
const char *job_private(const struct job *j);  /* what recovery is told, or NULL */
const char *job_params(const struct job *j);   /* redacted parameters as JSON, or NULL */
int64_t job_deadline_ms(const struct job *j);  /* Unix time; 0 before it runs */

/* The record as GET /jobs/{id} gives it under "job", appended. */
void job_render(const struct job *j, struct buf *out);

/* A watcher is told of each change of state and of the pid, on the loop, until it is taken off or
 * the job has ended (that call is the last). At most JOB_WATCHERS a job. */
bool job_watch(struct job *j, void (*changed)(void *arg, struct job *j), void *arg);
void job_unwatch(struct job *j, void *arg);

#endif
