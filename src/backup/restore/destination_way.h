/* destination_way: the words of a destination's path: judged, taken apart. Pure. For destination.c.
 */
#ifndef BACKUP_RESTORE_DESTINATION_WAY_H
#define BACKUP_RESTORE_DESTINATION_WAY_H

#include "backup/restore/destination.h"

enum { DESTINATION_PARTS = 128 };

/* A path taken apart: root, and the names below it. */
struct destination_way {
    const struct destination_rules *rules;
    char text[PATH_MAX]; /* the names, each ended by NUL */
    const char *part[DESTINATION_PARTS];
    size_t count;
    char root[PATH_MAX];
};

/* False and the refusal. `tidied` gets the path without double and trailing slashes. */
bool destination_way(struct destination_way *w, const struct destination_rules *r, const char *path,
                     char *tidied, size_t size, struct err *e);
/* ERR_BAD_REQUEST on the rules' field: "destination <why>". Returns false. */
bool destination_refuse(const struct destination_rules *r, struct err *e, const char *why);

#endif
