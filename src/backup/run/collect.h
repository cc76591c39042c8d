/* collect: a plan that asks each repository one question by `borg … --json` and gathers the answers
 * into the job's document, a JSON array with one element per repository.
 *
 * An element that could not be had makes the job fail with that repository's verdict; the others
 * are in the result all the same. Loop's thread only. */
#ifndef BACKUP_RUN_COLLECT_H
#define BACKUP_RUN_COLLECT_H

#include "backup/run/operation.h"

#include <jansson.h>

struct collect_question {
    const char *const *verb; /* NULL-terminated, "--json" among it; copied */
    const char *archive;     /* or NULL; copied */
    /* What is kept of one answer: changed in place, or replaced (the old one is then given back
     * with json_decref by the callee). `out` gets members for the repository's entry in the result,
     * as
     * "\"archives\":3"; may stay empty. NULL: the answer as it is. */
    json_t *(*keep)(void *arg, const struct resolved_repo *repo, json_t *answer, struct buf *out);
    /* All answers as text for people: the answer's "stdout". NULL: none. */
    void (*print)(const json_t *answers, struct buf *out);
    void *arg; /* handed to keep and then to free_arg (may be NULL) with the plan */
    void (*free_arg)(void *arg);
    size_t keep_max; /* bytes of one answer; 0: LIMIT_SPOOL */
};

/* The plan's data; NULL when memory is gone (arg is then freed). */
void *collect_new(const struct collect_question *q);
extern const struct operation_plan collect_plan;

#endif
