/* destination_forbidden: the places that nothing may be extracted to: repositories, the daemon's
 * own folders, Nextcloud AIO's volumes. Blocks; for destination.c. */
#ifndef BACKUP_RESTORE_DESTINATION_FORBIDDEN_H
#define BACKUP_RESTORE_DESTINATION_FORBIDDEN_H

#include "backup/restore/destination.h"

#include <stdbool.h>
#include <sys/stat.h>

struct forbidden;

struct forbidden *forbidden_new(const struct destination_rules *rules); /* NULL: no memory */
void forbidden_free(struct forbidden *f);
/* The path (absolute, without links) is one of them, in or above one, or in a volume of AIO. */
bool forbidden_path(const struct forbidden *f, const char *real);
/* A folder on the way is one of them under another name (a bind mount). */
bool forbidden_inode(const struct forbidden *f, const struct stat *st);
/* What is said of both; static. */
extern const char forbidden_why[];

#endif
