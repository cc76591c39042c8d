/* archive_diff: a plan that asks borg what differs between two archives, and keeps the first so
 * many differences and the count of all.
 *
 * borg's lines are JSON, but a byte of a name that is no UTF-8 stands in them as half a surrogate
 * pair, which is no JSON text: the path is therefore read apart (diff_line_path). The document is
 * the object {"archive","other","data":[{"path"[,"lossy","path_encoded"],"changes":[…]}],"total",
 * "truncated"}. Loop's thread only. */
#ifndef BACKUP_ARCHIVES_ARCHIVE_DIFF_H
#define BACKUP_ARCHIVES_ARCHIVE_DIFF_H

#include "backup/run/operation.h"

#include <stdbool.h>
#include <stddef.h>

struct diff_question {
    const char *archive, *other; /* names */
    const char *path;            /* clean; "" is everything */
    bool content_only;
    size_t limit; /* differences kept, 1 to DIFF_ENTRIES */
};

/* The plan's data; all is copied. NULL when memory is gone. */
void *archive_diff_new(const struct diff_question *q);
extern const struct operation_plan archive_diff_plan;

/* Takes the path out of borg's line, in place: *path gets its bytes, and what stays in `line` is
 * the JSON object without it. False when the line is not of the form. Pure. */
bool diff_line_path(char *line, const char **path);

#endif
