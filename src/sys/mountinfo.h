/* mountinfo: what is mounted where, as the kernel says (/proc/self/mountinfo).
 *
 * mountinfo_parse is pure; mountinfo_find reads the file, which is made by the kernel in memory:
 * it may be called on the loop. */
#ifndef SYS_MOUNTINFO_H
#define SYS_MOUNTINFO_H

#include <linux/limits.h>
#include <stdbool.h>

struct mountinfo {
    char device[32]; /* "0:41" */
    char root[PATH_MAX], point[PATH_MAX], type[64], source[256];
};

/* One line; false when it is not of the form. Escapes (\040) are resolved. */
bool mountinfo_parse(const char *line, struct mountinfo *out);
/* The mount that is seen at exactly this path (the last of several on top of each other). */
bool mountinfo_find(const char *point, struct mountinfo *out);
/* Each of them, in the kernel's order. */
void mountinfo_each(void (*each)(void *arg, const struct mountinfo *m), void *arg);
/* It is what `borg mount` makes. */
bool mountinfo_is_borg(const struct mountinfo *m);

#endif
