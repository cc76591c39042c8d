/* audit: one JSON line for each deed that somebody may have to answer for.
 *
 * Lines go to AUDIT_LOG_PATH (appended, made 0600) and, with AUDIT_STDOUT, into the log as an event
 * "audit". No secret belongs in a line. Loop's thread; a line is one short write. */
#ifndef POLICY_AUDIT_H
#define POLICY_AUDIT_H

#include "base/err.h"

#include <stdbool.h>

struct audit;

struct audit_entry {
    const char *action; /* "key_export", "break_lock", … */
    const char *role, *identity, *address, *request_id;
    const char *label;   /* the configuration or key concerned, or NULL */
    const char *reason;  /* as the caller gave it, or NULL */
    const char *job;     /* or NULL */
    const char *outcome; /* "allowed", "done", "refused", "failed" */
};

/* `path` "" or NULL: no file. NULL and `e` when the file cannot be opened. */
struct audit *audit_new(const char *path, bool to_log, struct err *e);
void audit_free(struct audit *a); /* NULL is a no-op */
/* False when the line could not be written to the file: what must be audited must not be done. */
bool audit_write(struct audit *a, const struct audit_entry *entry);

#endif
