/* maintain: a plan that runs one borgmatic action on the configuration's repositories: check,
 * prune, compact. Loop's thread only. */
#ifndef BACKUP_MAINTAIN_H
#define BACKUP_MAINTAIN_H

#include "backup/operation.h"

/* The plan's data; options' strings are copied. `command`: the borg command that does the work;
 * static. NULL when memory is gone. */
void *maintain_new(enum borgmatic_verb verb, const struct borgmatic_options *options,
                   const char *command);
extern const struct operation_plan maintain_plan;

#endif
