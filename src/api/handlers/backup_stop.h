/* backup_stop: the Docker half of POST /create-backup: is there an AIO whose stack has to be down
 * meanwhile, and what of it goes into the answer. Loop's thread. */
#ifndef API_HANDLERS_BACKUP_STOP_H
#define API_HANDLERS_BACKUP_STOP_H

#include "api/call.h"
#include "jobs/job.h"

#include <stdbool.h>

/* Lives in the request's arena. */
struct backup_stop {
    struct call *c;
    void (*go)(void *arg);
    void *arg;
    bool applies;     /* the stack is stopped */
    char reason[320]; /* why not */
    /* the task's */
    const struct aio_context *aio;
    struct err e;
    char hint[256];
    /* the answer waits for the stop */
    uv_timer_t *timer;
    void (*late)(void *arg, struct job *j);
    struct job *job;
};

/* Looks for the mastercontainer, then calls `go`, or answers: when AIO_MASTER is set it must be
 * there; when it is not, a host without Docker or without AIO is none of our business. */
void backup_stop_look(struct backup_stop *s, struct call *c, void (*go)(void *arg), void *arg);
/* Puts the stop and the start around the job's work, if they apply. False: no memory; the work is
 * freed. */
bool backup_stop_wrap(const struct backup_stop *s, struct job_spec *spec);
/* Calls `late` when the stop outlasts stop_timeout, unless backup_stop_answered is called before.
 */
void backup_stop_wait(struct backup_stop *s, struct job *j, void (*late)(void *arg, struct job *j));
void backup_stop_answered(struct backup_stop *s);
/* The stop has failed, so that no backup will be made although the job goes on: the answer. */
bool backup_stop_failed(const struct job *j, struct err *e);
/* "official_daily_stop": what is known of it by now. */
void backup_stop_write(const struct backup_stop *s, const struct job *j, struct jsonw *w);

#endif
