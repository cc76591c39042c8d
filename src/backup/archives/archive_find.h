/* archive_find: a plan that looks for a pattern of paths in the newest archives, one after the
 * other, the newest first, whichever of the repositories it is in.
 *
 * It ends with the first entry too many: borg is not left to list the rest. The document is the
 * object {"results":[{"repository","archive","id","time","entries":[…]}],"searched","truncated"}
 * with the archives that hold something; entries are as in a tree (entry_write). Loop's thread
 * only. */
#ifndef BACKUP_ARCHIVES_ARCHIVE_FIND_H
#define BACKUP_ARCHIVES_ARCHIVE_FIND_H

#include "backup/run/operation.h"

#include <stddef.h>

struct find_question {
    const char *pattern; /* borg_glob_ok */
    const char *match;   /* a glob of archive names, borg_glob_ok, or NULL: all */
    size_t last;         /* archives searched at most, 1 to FIND_ARCHIVES */
    size_t limit;        /* entries in all, 1 to FIND_ENTRIES */
};

/* The plan's data; all is copied. NULL when memory is gone. */
void *archive_find_new(const struct find_question *q);
extern const struct operation_plan archive_find_plan;

#endif
