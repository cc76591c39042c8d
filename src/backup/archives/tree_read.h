/* tree_read: a plan that reads one page of an archive's tree, and borg's info of the archive.
 *
 * The document is the object {"archive","path"[,"lossy","path_encoded"],"data":[…],"entry",
 * "entries","cursor"}; "data" is empty on later pages, as borg computes it anew each time. Loop's
 * thread only. */
#ifndef BACKUP_ARCHIVES_TREE_READ_H
#define BACKUP_ARCHIVES_TREE_READ_H

#include "backup/archives/tree.h"
#include "backup/run/operation.h"

/* The plan's data; `archive` NULL: the newest. All is copied. NULL when memory is gone. */
void *tree_read_new(const char *archive, const struct tree_page *page);
extern const struct operation_plan tree_read_plan;

#endif
