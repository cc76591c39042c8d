/* borg_glob: shell-style patterns of a caller for borg: *, ?, [...] and, in paths, **. Pure. */
#ifndef BACKUP_ARCHIVES_BORG_GLOB_H
#define BACKUP_ARCHIVES_BORG_GLOB_H

#include "base/err.h"

#include <stdbool.h>

/* A pattern that borg can use: it fails on a set with a range that ends before it begins.
 * ERR_BAD_REQUEST on `field` for that, and for a set with a '/', which matches nothing. */
bool borg_glob_ok(const char *glob, const char *field, struct err *e);

/* borg's option that selects archives by the name, "--glob-archives=…"; NULL: all. mem_free; NULL
 * when memory is gone. */
char *borg_glob_archives(const char *glob);
/* borg's pattern for paths, "sh:…": what it matches, and what is beneath that. mem_free. */
char *borg_glob_paths(const char *glob);

#endif
