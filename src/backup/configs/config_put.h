/* config_put: the plan that makes a configuration that was sent a file: it is judged
 * (config_candidate), shown to borgmatic as a temporary file outside the folder of configurations,
 * judged again against the file as it then is, and put in its place as a whole.
 *
 * On failure the old file stands. The job's result is
 * {"label","path","created","validated","etag"}, its document the configuration, masked. Loop's
 * thread only. */
#ifndef BACKUP_CONFIGS_CONFIG_PUT_H
#define BACKUP_CONFIGS_CONFIG_PUT_H

#include "backup/configs/config_candidate.h"
#include "backup/run/operation.h"

/* The plan's data; takes what is in `w` in any case. NULL: no memory. */
void *config_put_new(struct config_wish *w, bool validate);
extern const struct operation_plan config_put_plan;

/* Removes what a crash left: candidates in the state folder, parts in the folder of configurations.
 * Blocks; before the loop runs. */
void config_put_sweep(const char *state_dir, const char *config_dir);

#endif
