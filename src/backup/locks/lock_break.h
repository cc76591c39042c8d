/* lock_break: a plan that takes the locks of the job's repositories away, by `borg break-lock`.
 *
 * The job holds the repositories alone, so no other job of ours is at work. Each lock is looked at
 * once more right before: without force only one whose holders are all proven dead is broken, and
 * where there is none nothing is run. Afterwards it is looked whether the lock is gone.
 * The repository's entry in the result gets "broken", "lock_before", "lock_after" and, where it was
 * refused, "refused". A refusal fails the job with lock_in_use or lock_holder_unknown. Loop's
 * thread only. */
#ifndef BACKUP_LOCKS_LOCK_BREAK_H
#define BACKUP_LOCKS_LOCK_BREAK_H

#include "backup/run/operation.h"

#include <stdbool.h>

#define LOCK_BREAK_KIND "break-lock"

extern const struct operation_plan lock_break_plan;
/* The plan's data; NULL when memory is gone. */
void *lock_break_new(bool force);

/* Of an ended job: true when a lock was broken. */
bool lock_break_broke(const struct job *j);

#endif
