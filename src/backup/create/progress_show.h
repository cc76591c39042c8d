/* progress_show: borg's progress as a job's events: at most one in PROGRESS_MS, and a line of text
 * in PROGRESS_TEXT_MS on the stream that borg would have used. Loop's thread only. */
#ifndef BACKUP_CREATE_PROGRESS_SHOW_H
#define BACKUP_CREATE_PROGRESS_SHOW_H

#include "backup/create/progress.h"
#include "backup/repo/resolve.h"
#include "backup/run/run.h"
#include "jobs/job.h"

#include <stdbool.h>

struct progress_show {
    struct progress progress;
    bool lines;                 /* text as well */
    uint64_t shown_at, text_at; /* uv_now of the last ones */
};

void progress_show_init(struct progress_show *s, bool lines);
/* Shows where it is, masked by the run's secrets, unless it is too soon; `last`: in any case. */
void progress_show(struct progress_show *s, struct job *j, struct run *run,
                   const struct resolved_repo *repo, uint64_t now, bool last);

#endif
