/* locks: handlers of locks, read and broken (api/routes/locks.def). */
#ifndef API_HANDLERS_LOCKS_H
#define API_HANDLERS_LOCKS_H

#include "api/call.h"
#include "backup/locks/lock_survey.h"

void locks_status(struct call *c);
void locks_active(struct call *c);
void locks_quick_check(struct call *c);
void locks_break(struct call *c);
void locks_break_all(struct call *c);

/* Answers 400 when force is asked for without a reason. */
bool lock_force_explained(struct call *c);
enum lock_ruling lock_rule_of(const struct survey_config *c, size_t repo, bool force);

#endif
