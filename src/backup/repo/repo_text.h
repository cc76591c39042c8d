/* repo_text: what `borg info --json` says of repositories, made ready for a caller. Pure. */
#ifndef BACKUP_REPO_REPO_TEXT_H
#define BACKUP_REPO_REPO_TEXT_H

#include "backup/repo/resolve.h"
#include "base/buf.h"

#include <jansson.h>

/* For collect: the repository's label joins the answer, as borgmatic 1.9 gives it. `arg` and `out`
 * are not used. Returns `answer`. */
json_t *repo_text_label(void *arg, const struct resolved_repo *repo, json_t *answer,
                        struct buf *out);
/* An array of such answers as the lines that `borg info` prints for people, a block each. */
void repo_text(const json_t *answers, struct buf *out);

#endif
