/* proc: one child process on the loop.
 *
 * The child leads its own session, has stdin from /dev/null, exactly the argv and environment
 * given, and no descriptor but its three (everything of ours is close-on-exec) and the one it is
 * passed. Both pipes are always drained unless the owner pauses them. Loop's thread only. */
#ifndef SYS_PROC_H
#define SYS_PROC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct proc;

enum proc_stream { PROC_STDOUT, PROC_STDERR };

struct proc_spec {
    const char *file;        /* absolute path of the program */
    const char *const *argv; /* NULL-terminated; argv[0] included */
    const char *const *envp; /* the whole environment, NULL-terminated */
    const char *cwd;         /* NULL: "/" */
    int pass_fd;             /* > 0: the child gets it as descriptor 3; stays the caller's here */
    /* Output as it comes; the bytes are valid during the call. NULL: the stream goes to /dev/null.
     */
    void (*on_data)(void *arg, enum proc_stream stream, const char *p, size_t n);
    /* The pipe has ended (every process that held it closed it). Once per stream. */
    void (*on_eof)(void *arg, enum proc_stream stream);
    /* The child itself has ended: code, or the signal that killed it (then code is 128 + signal).
     * Once; output may still follow. */
    void (*on_exit)(void *arg, int code, int signal);
    void *arg;
};

/* Starts it. No callback runs from inside. The spec's strings are used during the call only. */
struct proc *proc_start(uv_loop_t *loop, const struct proc_spec *spec, struct err *e);
pid_t proc_pid(const struct proc *p);
bool proc_running(const struct proc *p); /* until on_exit */
/* Stops or goes on reading both pipes; the child blocks on a full pipe meanwhile. */
void proc_pause(struct proc *p, bool pause);
/* To the child alone; false when it has ended. */
bool proc_signal(struct proc *p, int signal);
/* Gives up the pipes and every callback, and frees p once the child is reaped. It does not end the
 * child. NULL is a no-op. */
void proc_release(struct proc *p);

/* Becomes the reaper of orphaned descendants and reaps those that are no children of ours, so that
 * no zombie stays, also as PID 1. Call once; proc_reaper_stop closes its handle. */
bool proc_reaper_start(uv_loop_t *loop, struct err *e);
void proc_reaper_stop(void);

/* The file of a program found in a PATH-like list (absolute entries only), or NULL. mem_free. */
char *proc_which(const char *name, const char *path);

#endif
