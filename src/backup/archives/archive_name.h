/* archive_name: which names an archive may have, and the newest one of a repository. Loop's thread
 * only. */
#ifndef BACKUP_ARCHIVES_ARCHIVE_NAME_H
#define BACKUP_ARCHIVES_ARCHIVE_NAME_H

#include "backup/run/operation.h"

#include <stdbool.h>

enum { ARCHIVE_NAME_MAX = 255 }; /* bytes */

/* A name that borg takes for a name and nothing else: 1 to ARCHIVE_NAME_MAX bytes, no '/', no '-'
 * in front, no control characters, no blank at either end, no "::". ERR_BAD_REQUEST on `field`. */
bool archive_name_ok(const char *name, const char *field, struct err *e);

/* Starts the question for the newest archive; the next step gives its result to
 * newest_archive_name, which writes the name into `out` (ARCHIVE_NAME_MAX + 1 bytes). False:
 * ERR_ARCHIVE_NOT_FOUND when there is none, or borg's failure. */
bool newest_archive_ask(struct operation *op, struct operation_repo *repo, struct err *e);
bool newest_archive_name(const struct operation_result *last, char *out, struct err *e);

/* borg's glob that only this name matches, appended: *, ? and [ stand for themselves, and braces
 * are no placeholder. */
void archive_name_glob(const char *name, struct buf *out);

#endif
