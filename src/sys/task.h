/* task: work that waits for others longer than a disk takes (the Docker Engine, a workflow of AIO),
 * on a thread of its own beside the loop.
 *
 * Such work is a straight line of blocking calls; it touches nothing of the loop's but by
 * task_post. The loop never waits for it. At most TASKS_MAX at a time. */
#ifndef SYS_TASK_H
#define SYS_TASK_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

struct tasks;
struct task;

struct tasks *tasks_new(uv_loop_t *loop, struct err *e);
/* Asks every task to stop; when the last has ended it frees itself and `closed` (may be NULL) runs.
 * No task can be started any more. NULL is a no-op: `closed` does not run. */
void tasks_close(struct tasks *ts, void (*closed)(void *arg), void *arg);

/* Loop's thread. `work` runs on a new thread, then `done` once on the loop, never from inside; both
 * with `data`. NULL and ERR_TOO_BUSY when TASKS_MAX run, ERR_DRAINING after tasks_close. The handle
 * is valid until done. */
struct task *task_start(struct tasks *ts, void (*work)(struct task *t, void *data),
                        void (*done)(void *data), void *data, struct err *e);
/* Loop's thread: asks the task to end soon; every wait of its Engine ends (task_stopping). */
void task_stop(struct task *t);

/* The task's thread (task_stopping: any). */
bool task_stopping(const struct task *t);
/* A descriptor that is readable from task_stop on: for poll() beside others. */
int task_stop_fd(const struct task *t);
/* `deliver(data, message)` on the loop, in order and before `done`; the message becomes deliver's.
 * Blocks while TASK_POSTS messages are not delivered yet: whoever produces faster than the loop
 * takes is slowed. */
void task_post(struct task *t, void (*deliver)(void *data, void *message), void *message);
/* Waits; false at once when the task is to stop. */
bool task_sleep(const struct task *t, unsigned ms);

#endif
