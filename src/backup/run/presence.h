/* presence: which borgs, borgmatics and borg mounts there are on this machine now, whoever started
 * them. Looks at /proc and blocks for some milliseconds: worker threads and tasks.
 *
 * A program is known by what it runs, not by a word in its arguments; our own daemon and its shims
 * are none. A mount is known by its type and source: a bind mount with "borg" in its name is none,
 * and one that is bound to a second place counts once. */
#ifndef BACKUP_RUN_PRESENCE_H
#define BACKUP_RUN_PRESENCE_H

#include "base/jsonw.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct presence_program {
    pid_t pid;
    bool borgmatic; /* else borg */
    char job[128];  /* of ours that it belongs to, or "" */
};

struct presence_mount {
    char point[512], device[32];
};

struct presence {
    size_t borgmatics, borgs; /* all of them … */
    struct presence_program programs[PRESENCE_PROGRAMS];
    size_t program_count; /* … and those that are named */
    size_t mounts;
    struct presence_mount mount[PRESENCE_MOUNTS];
    size_t mount_count;
};

void presence_look(struct presence *out);

/* [{"pid","program","job_id"}]: all, or only those that belong to no job of ours. */
void presence_write_programs(const struct presence *p, bool foreign_only, struct jsonw *w);

#endif
