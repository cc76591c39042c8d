/* run_internal: what the parts of aio_run share. */
#ifndef AIO_RUN_RUN_INTERNAL_H
#define AIO_RUN_RUN_INTERNAL_H

#include "aio/run/borg_watch.h"
#include "aio/run/downtime.h"
#include "aio/run/follow.h"
#include "aio/run/run.h"
#include "aio/run/run_journal.h"
#include "aio/run/stall.h"
#include "aio/run/verdict.h"

/* The five flags of one exec. */
struct run_flags {
    bool daily_backup, check_backup, stop_containers, start_containers, automatic_updates;
};

enum run_end {
    RUN_ENDED,     /* the script is over, or nothing more can be learned of it */
    RUN_NOT_BEGUN, /* the exec was refused: nothing has happened */
    RUN_CANCELLED, /* left waiting, nothing was stopped */
    RUN_LEFT,      /* the daemon goes down, or a bound was reached: the journal stays */
};

struct run {
    struct engine *en;
    const struct aio_context *x;
    const struct aio_wants *w;
    const struct aio_tell *tell;
    const atomic_bool *cancel; /* NULL: nobody can */
    struct aio_outcome *out;

    struct redact *mask;
    struct follow *follow;
    struct run_journal journal;
    struct downtime down;
    struct buf out_tail, err_tail;
    uint64_t until_ms;   /* of the run as a whole */
    bool switched;       /* AIO's target is not its own now */
    bool target_journal; /* target_finish is due */
    bool cancel_told;

    /* of the exec that is on */
    struct run_flags flags;
    const char *mode;                /* of the borgbackup container: "backup", "check" */
    const struct aio_target *target; /* where it should go; NULL: not looked at */
    struct aio_evidence ev;
    struct borg_watch borg;
    struct stall stall;
    enum aio_stage stage;
    bool touched;     /* something was stopped, started or changed */
    bool by_schedule; /* AIO's own run is followed, not ours */
    char exec_id[EXEC_ID];
    int64_t exec_ms; /* Unix time of its beginning */
    char master_id[65];
    int64_t master_started_ms;
    bool ask_now;    /* an event says so */
    bool end_asked;  /* asked since the stream's end */
    bool codeless;   /* the exec was over, but without a code: asked once more */
    bool asked_last; /* asked for borg since the script's end */
    uint64_t ask_ms, stats_ms, died_ms, finished_ms, lost_ms; /* monotonic; 0: not yet */
    struct err why; /* of RUN_NOT_BEGUN, or why the run was left */
};

/* A wait of ours, shortened for tests. */
unsigned run_paced(const struct run *r, unsigned ms);
void run_stage(struct run *r, enum aio_stage s); /* told once */
bool run_cancelled(const struct run *r);

/* ---- run_exec: one exec to its end ---- */
/* Mask and follow are ready. `mode` NULL: borg has no part in it; `target` NULL: where it goes is
 * not looked at. What was seen is in r->ev and r->borg. A switched target is put back as soon as
 * borg has died. */
enum run_end run_exec(struct run *r, const struct run_flags *flags, const char *mode,
                      const struct aio_target *target);

/* ---- run_follow: what is on, until the script and borg are over ---- */
enum run_end run_follow(struct run *r);
extern const struct follow_to run_follow_to; /* arg: the run */

/* ---- run_borg: the borgbackup container ---- */
/* Asks what became of it and acts on it; false when the Engine is away (`e`). */
bool run_borg_look(struct run *r, struct err *e);
/* It has died, and its log has been read or will not be any more. */
bool run_borg_settled(struct run *r, uint64_t now);
/* Puts a switched target back, if that is wanted; a failure is told and tried again at the end. */
void run_put_back(struct run *r);

/* ---- run_master: the mastercontainer, and the Engine, may go away and come back ---- */
bool run_passing(const struct err *e); /* the Engine does not answer just now */
/* Waits without looking at anything; false (and r->why): the daemon goes down. */
bool run_sleep(struct run *r, unsigned ms);
/* aio_look, tried again while the Engine is away, AIO_ENGINE_BACK_MS at most; else r->why. */
bool run_look(struct run *r, struct aio_look *l);
void run_note_master(struct run *r, const struct aio_look *l);
enum run_next {
    NEXT_OVER,  /* nothing goes on */
    NEXT_AGAIN, /* replaced by its update: the same exec once more, as AIO's documentation says */
    NEXT_OWN,   /* AIO goes on by itself: follow that */
    NEXT_LEFT,
};
/* The script's end was not seen: was the mastercontainer restarted or replaced under it? Waits
 * until it is back. */
enum run_next run_master_gone(struct run *r);

/* ---- run_end: afterwards ---- */
void run_say_verdict(struct run *r, const struct aio_verdict *v);
void run_say_error(struct run *r, const char *word, const struct err *e);
/* The verdict of one backup, into its place. */
void run_judge_backup(struct run *r, struct aio_backup *b, struct aio_verdict *v);
/* Where a target is, for a sentence; "AIO's target" when it is not known. */
const char *run_where(const struct aio_target *t);
/* What stands still now that ran before, how long it did, and whether the dump is clean. True when
 * the stack is up. */
bool run_note_stack(struct run *r, bool stopped);
/* Sees that the stack is up, starts it once more if it is not. False when the run is left. */
bool run_see_to_service(struct run *r, struct aio_verdict *v);

/* ---- run_targets: several targets in one downtime ---- */
enum run_end run_targets(struct run *r, struct aio_verdict *worst);
/* Switches to a target under the journal; `first`: makes it. On failure what could be put back is.
 */
bool run_switch(struct run *r, const struct aio_target *t, bool first, struct err *e);

bool run_init(struct run *r, struct engine *en, const struct aio_context *x,
              const struct aio_wants *w, const struct aio_tell *tell, const atomic_bool *cancel,
              struct aio_outcome *out);
/* Before the first exec: AIO's secrets, the streams. */
bool run_open(struct run *r, struct err *e);
void run_done(struct run *r); /* tails into the outcome; frees */

#endif
