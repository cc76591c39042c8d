/* drill_report: what is said of a drill. */
#ifndef BACKUP_RESTORE_DRILL_REPORT_H
#define BACKUP_RESTORE_DRILL_REPORT_H

#include "backup/restore/drill_sample.h"
#include "backup/run/operation.h"

/* The members of the repository's entry in the result. */
void drill_report(const struct drill_sample *s, const char *archive, bool compare,
                  struct operation_repo *r);
/* `verified`, `verify_failed`, `live_differs` or `nothing_to_verify`: for the job, and in the
 * repository's own verdict. */
void drill_verdict(const struct drill_sample *s, struct operation_repo *r,
                   struct verdict_result *v);

#endif
