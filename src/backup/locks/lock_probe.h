/* lock_probe: a plan that finds out whether one remote repository is locked, by opening it with
 * borg: only borg's server can see the lock. Readers cannot be seen that way, and who holds it
 * neither.
 *
 * The repository's entry in the result gets "lock": "free" or "locked", or "problem" when it is not
 * known; the job succeeds in each case. Loop's thread only. */
#ifndef BACKUP_LOCKS_LOCK_PROBE_H
#define BACKUP_LOCKS_LOCK_PROBE_H

#include "backup/locks/lock_state.h"
#include "backup/run/operation.h"

#define LOCK_PROBE_KIND "lock-probe"

extern const struct operation_plan lock_probe_plan; /* its data is NULL */

/* Starts the question as a step of another plan, and reads its answer in the next step. */
bool lock_probe_ask(struct operation *op, struct operation_repo *repo, struct err *e);
void lock_probe_answer(const struct operation_result *last, struct lock_state *out);
/* What an ended job of lock_probe_plan found. */
void lock_probe_of_job(const struct job *j, struct lock_state *out);

#endif
