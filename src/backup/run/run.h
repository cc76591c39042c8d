/* run: one child as part of a job: its lines, its end.
 *
 * Starts borgmatic, a borg of our own or another program under a control socket with the job's
 * marker in its environment, turns its output into the job's events (masked, bounded, slowed when
 * the store is behind), and is done only when the child has ended, its pipes are empty and no
 * process with the marker is left. Loop's thread only. */
#ifndef BACKUP_RUN_RUN_H
#define BACKUP_RUN_RUN_H

#include "backup/control/control.h"
#include "base/err.h"
#include "base/secret.h"
#include "jobs/job.h"

#include <stdbool.h>
#include <uv.h>

struct run;

struct run_spec {
    uv_loop_t *loop;
    struct job *job;
    const char *file; /* absolute path of the program */
    const char *const *argv;
    const char *const *env; /* base environment without PATH, TZ and the marker */
    const char *path, *tz;
    bool direct;     /* no borgmatic: the real borg is first on PATH */
    bool gentle;     /* run_stop sends SIGINT to borg first: it then writes a checkpoint */
    int pass_fd;     /* > 0: the child's descriptor 3; stays the caller's here */
    const char *cwd; /* NULL: "/" */
    const struct secret *borg_passphrase, *ssh_passphrase; /* from the caller, or NULL; copied */
    const struct secret *const *masked; /* further secrets to mask (NULL-terminated), or NULL */
    struct control *control; /* made by the caller (its callbacks are the caller's); the run owns it
                                once it started */
    /* What the child writes on stdout, raw; nothing of it becomes an event. NULL: lines and events.
     */
    void (*on_stdout)(void *arg, const char *p, size_t n);
    /* Each line of stderr, masked, before it becomes an event; true: it is dealt with and does not.
     * NULL: all become events. */
    bool (*on_stderr)(void *arg, const char *line, size_t n);
    /* Everything is over. `left`: processes that outlived SIGKILL. Once; run_free may be called in
     * it. */
    void (*done)(void *arg, int code, int signal, size_t left);
    void *arg;
};

struct run *run_start(const struct run_spec *spec, struct err *e);
/* Ends it, as sys/ending; with spec.gentle by SIGINT to borg first. At most once. */
void run_stop(struct run *r);
/* A borg was started although the run is being stopped (the next repository): go on with SIGTERM.
 */
void run_hurry(struct run *r);
pid_t run_pid(const struct run *r);
/* Stops or goes on reading the child's output. What it wrote before its end is kept meanwhile, so
 * the run is not done before it is read again. */
void run_pause(struct run *r, bool pause);
/* A line of ours among those of the child (borg's progress as text), on its stderr. */
void run_say(struct run *r, const char *line, size_t n);
/* A line of the child that the owner dealt with in on_stderr: an event of that kind, and part of
 * that stream's tail. */
void run_show(struct run *r, enum event_kind kind, const char *line, size_t n);
/* The last bytes of both streams, masked, as text; borrowed. */
const char *run_stdout_tail(const struct run *r);
const char *run_stderr_tail(const struct run *r);
const struct redact *run_redact(const struct run *r);
struct control *run_control(struct run *r);
void run_free(struct run *r); /* after done; NULL is a no-op */

#endif
