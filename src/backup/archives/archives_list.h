/* archives_list: the question for collect (backup/run/collect.h) which archives the repositories
 * hold: all of them, not only those that the configuration's archive_name_format matches. Pure. */
#ifndef BACKUP_ARCHIVES_ARCHIVES_LIST_H
#define BACKUP_ARCHIVES_ARCHIVES_LIST_H

#include "backup/run/collect.h"

#include <stdbool.h>
#include <stdint.h>

struct archives_question {
    bool stats;        /* sizes and command lines too: borg reads every archive for that */
    const char *match; /* a glob of names, or NULL */
    int64_t last;      /* the newest so many, or 0 */
    int64_t since;     /* only those begun at or after this Unix time, or 0 */
};

/* The data of collect_plan; NULL when memory is gone. Each answer is borg's object: "archives",
 * "encryption", "repository" and, with stats, "cache". */
void *archives_list_new(const struct archives_question *q);

#endif
