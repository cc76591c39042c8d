/* archive_delete: a plan that deletes one archive, by borg itself. Before, the archive must be
 * there; afterwards it must be there no more: that, not an exit code, makes it "deleted".
 * Checkpoints have names of their own and can be deleted as well. Loop's thread only. */
#ifndef BACKUP_ARCHIVES_ARCHIVE_DELETE_H
#define BACKUP_ARCHIVES_ARCHIVE_DELETE_H

#include "backup/run/operation.h"

/* The plan's data; the name is copied. NULL when memory is gone. */
void *archive_delete_new(const char *name, bool dry_run);
extern const struct operation_plan archive_delete_plan;

#endif
