/* key_export: a plan that has borg export one repository's key and hands it over as the job's
 * document, a JSON string; nothing of it goes anywhere else. Loop's thread only. */
#ifndef BACKUP_REPO_KEY_EXPORT_H
#define BACKUP_REPO_KEY_EXPORT_H

#include "backup/run/operation.h"

/* The plan's data; `paper`: the form to be typed by hand. NULL when memory is gone. */
void *key_export_new(bool paper);
extern const struct operation_plan key_export_plan;

#endif
