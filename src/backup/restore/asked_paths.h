/* asked_paths: what of an archive is asked for: borg's patterns for it, and whether the archive's
 * listing has something at each path. Pure; one thread at a time. */
#ifndef BACKUP_RESTORE_ASKED_PATHS_H
#define BACKUP_RESTORE_ASKED_PATHS_H

#include "base/err.h"
#include "limits.h"

#include <stdbool.h>

struct asked_paths {                /* zeroed: everything is asked for */
    char *patterns[LIMIT_LIST + 1]; /* arguments for borg, NULL-terminated; ours */
    bool found[LIMIT_LIST];
};

/* One more path (copied), with or without slashes in front and at its end; "/" is the archive's
 * root. False: no memory, or LIMIT_LIST are there. */
bool asked_paths_add(struct asked_paths *a, const char *path);
/* The listing has an entry at `path`, as borg stores it. */
void asked_paths_note(struct asked_paths *a, const char *path);
/* False and ERR_NOT_FOUND on "paths" for the first at and beneath which nothing was noted; `so`
 * ends the sentence ("nothing was written"). */
bool asked_paths_all_found(const struct asked_paths *a, const char *so, struct err *e);
void asked_paths_done(struct asked_paths *a);

#endif
