/* maintain: a plan that runs one borgmatic action on the configuration's repositories: check,
 * prune, compact. Loop's thread only. */
#ifndef BACKUP_REPO_MAINTAIN_H
#define BACKUP_REPO_MAINTAIN_H

#include "backup/run/operation.h"

struct maintain_question {
    enum borgmatic_verb verb;
    struct borgmatic_options options; /* `only` is copied; other strings must be static */
    const char *command; /* the borg command that does the work, or "one|two"; static */
    /* Of a borgmatic that ended well and never ran that command: a warning; static. */
    const char *nothing_word, *nothing_sentence;
};

/* The plan's data; NULL when memory is gone. With options.repair borg's question before a repair
 * is answered with yes. A prune that lists has "kept" and "pruned" in each repository's result. */
void *maintain_new(const struct maintain_question *q);
extern const struct operation_plan maintain_plan;
/* The same for check: a warning's exit code means faults. */
extern const struct operation_plan maintain_check_plan;

#endif
