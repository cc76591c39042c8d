/* Shared by jobs.c (the table of jobs), jobs_turn.c (whose turn it is), job.c (one job's life) and
 * job_record.c (what is written of it). */
#ifndef JOBS_JOB_INTERNAL_H
#define JOBS_JOB_INTERNAL_H

#include "jobs/job.h"
#include "limits.h"

enum {
    JOB_ID_ROOM = 128,
    JOB_STAGES = 64,   /* stages kept of one job; later ones are events only */
    JOB_WATCHERS = 32, /* requests that wait for one job */
};

struct jobs {
    uv_loop_t *loop;
    struct store *store;
    struct hub *hub;
    struct job *active; /* in order of creation */
    struct job *recent[LIMIT_JOBS_RECENT];
    size_t recent_next;
    uint64_t last_n;
    bool draining, held;
    void (*idle)(void *arg);
    void *idle_arg;
    void (*ended)(void *arg, const struct job *j);
    void *ended_arg;
};

struct job_watcher {
    void (*changed)(void *arg, struct job *j);
    void *arg;
};

struct job {
    struct jobs *js;
    struct job *next; /* among the active, in order of creation */
    char id[JOB_ID_ROOM];
    uint64_t n; /* the id's number */
    char *kind, *label, *role, *address;
    char *params_json, *private_json, *result_json, *progress_json;
    char *keys[JOB_KEYS_MAX];
    size_t key_count;
    bool reading, shares, yields, unslotted, recovers, durable, started, ready, ending, leaving,
        left;
    enum job_state state;
    bool stop_asked;
    enum job_stop stop_why;
    int64_t queued_ms, started_ms, ended_ms;
    unsigned deadline_s;
    pid_t pid;
    struct {
        char name[32];
        int64_t at_ms;
    } stages[JOB_STAGES];
    size_t stage_count;
    /* the outcome */
    enum job_state final_state; /* valid while ending */
    int exit_code;
    enum err_code api;
    char field[64];
    char *verdict_json, *sentence, *stdout_tail, *stderr_tail, *status_json;
    char *document;
    uint64_t last_event;
    char *idem_key, *idem_fingerprint;
    struct hub_job *hub;
    const struct job_ops *ops;
    void *work;
    uv_timer_t deadline;
    bool timer_open;
    bool dead; /* freed when the timer's handle is closed */
    struct job_watcher watchers[JOB_WATCHERS];
    size_t watcher_count;
    job_created created;
    void *created_arg;
    void (*diverted)(void *arg, struct job *j, const struct job_outcome *o); /* job_divert_end */
    void *diverted_arg;
};

/* ---- job.c ---- */
/* A job with its id still to be given, its timer open; NULL when memory is gone (spec->work is then
 * not taken). */
struct job *job_new(struct jobs *js, const struct job_spec *s);
void job_free(struct job *j);
/* The job leaves memory once its timer's handle is gone. */
void job_discard(struct job *j);
/* Its turn has come. */
void job_start(struct job *j);
void job_arm_deadline(struct job *j);
void job_tell(struct job *j); /* its watchers */
void job_status_event(struct job *j);
void job_close_timer(struct job *j);
void job_drop_document(struct job *j);           /* wiped */
void job_replace(char **text, const char *with); /* keeps the older one when memory is gone */
/* Its final state is `o`'s, or that of the stop that was asked for. */
void job_take_outcome(struct job *j, const struct job_outcome *o);
void job_keep_row(struct job *j, bool durable);

/* ---- job_leave.c ---- */
/* The daemon goes down: whoever can be left is told so. False: it must be stopped. */
bool job_let_go(struct job *j);

/* ---- jobs.c ---- */
/* The end of j is durable: it leaves the active ones and the next may start. store_done. */
void jobs_ended(void *arg, bool ok, const struct err *e);

/* ---- jobs_turn.c ---- */
/* Starts whoever's turn has come; sends away who yields. Also after each end. */
void jobs_schedule(struct jobs *js);
/* Whether such a job is taken now; else the refusals of jobs_create. */
bool jobs_admit(struct jobs *js, const struct job_spec *s, char *in_the_way, size_t size,
                struct err *e);

/* ---- job_record.c ---- */
/* Fills `row`; its record points into `record`. `state` is the one to write (the final one is
 * written before it is shown). */
void job_take_asked(struct job *j, const char *record); /* who asked for what, of a former life */
void job_fill_row(const struct job *j, enum job_state state, struct buf *record,
                  struct store_job *row);
/* The `line` of a status event for the job as it would be in `state`. */
void job_status_line(const struct job *j, enum job_state state, struct buf *out);

#endif
