/* resolve_record: from what the shim noted to struct resolved. Loop's thread; no I/O but for the
 * text scan, which blocks and belongs on a worker thread. */
#ifndef BACKUP_REPO_RESOLVE_RECORD_H
#define BACKUP_REPO_RESOLVE_RECORD_H

#include "backup/control/control.h"
#include "backup/repo/resolve.h"

#include <stdbool.h>
#include <stddef.h>

/* An empty answer with one reference, or NULL. */
struct resolved *resolve_record_new(const char *file);
/* The answer for a place that no configuration names; `rsh` as BORG_RSH. NULL: no memory. */
struct resolved *resolve_record_place(const char *location, const char *rsh);
/* Adds the repository of one recorded borg, unless it is there already. False: memory is gone, or
 * there are more than LIMIT_REPOS. */
bool resolve_record_add(struct resolved *res, const struct control_run *run, struct err *e);
/* The labels, from borgmatic's lines "LABEL: Listing repository", one per repository in order. */
bool resolve_record_labels(struct resolved *res, const char *stdout_text);
bool resolve_record_local_path(struct resolved *res, const char *path);

/* What a look at the file's text tells. No YAML is read: `sectioned` decides the spelling of an
 * override only, and `local_path` whether borgmatic is asked once more. */
struct resolve_scan {
    bool sectioned;
    bool local_path; /* the file, or one that it includes, may name a borg of its own */
};
void resolve_scan_file(const char *file, struct resolve_scan *out);
/* Pure: the same over the text. */
void resolve_scan_text(const char *text, struct resolve_scan *out);

/* The program in borgmatic's "Command 'PROGRAM list …' returned non-zero exit status", in out. */
bool resolve_program_of(const char *stderr_text, char *out, size_t size);

#endif
