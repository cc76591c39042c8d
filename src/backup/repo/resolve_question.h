/* resolve_question: one configuration, asked from borgmatic with the shim in record mode.
 *
 * The file's text is looked at on a worker thread, then `rlist` runs as a dry run with local_path
 * overridden to the shim; only where the file may name a borg of its own, a second run on a
 * repository that does not exist tells which. Each run is bounded by RESOLVE_MS. Loop's thread
 * only. */
#ifndef BACKUP_REPO_RESOLVE_QUESTION_H
#define BACKUP_REPO_RESOLVE_QUESTION_H

#include "backup/repo/resolve.h"

struct resolve_question;

struct resolve_question_spec {
    const char *state_dir;
    const char *const *env;
    const char *path;
    const char *file;
    const struct borgmatic_tools *tools; /* copied; the rest must live as long as the question */
    /* Once, never from inside; `res` is borrowed. The question is over; resolve_question_free may
     * be called in it. */
    void (*done)(void *arg, struct resolved *res, const struct err *e);
    void *arg;
};

struct resolve_question *
resolve_question_start(uv_loop_t *loop, const struct resolve_question_spec *spec, struct err *e);
/* Ends its child; done does not run any more. NULL is a no-op. */
void resolve_question_free(struct resolve_question *q);

#endif
