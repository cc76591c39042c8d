/* verdict_cause: the table of why borg fails, by its message id or, where it gives none, by its
 * words. Measured on borg 1.2.4 and 1.4.0. Pure; static strings. */
#ifndef BACKUP_CREATE_VERDICT_CAUSE_H
#define BACKUP_CREATE_VERDICT_CAUSE_H

#include "base/err.h"

#include <stdbool.h>

struct verdict_cause {
    const char *word;
    enum err_code api; /* what an awaited request is answered */
    int rank;          /* of two causes the higher one explains the run; the first among equals */
    bool quote;        /* borg's own words belong to the sentence */
    const char *sentence; /* without a full stop */
};

enum { CAUSE_RANK_ANY = 1, CAUSE_RANK_CONNECTION, CAUSE_RANK_KNOWN, CAUSE_RANK_SURE };

/* The row of a message id ("LockTimeout"); NULL when the id explains nothing by itself. */
const struct verdict_cause *verdict_cause_of_msgid(const char *msgid);
/* The row for words in borg's error text, or NULL. */
const struct verdict_cause *verdict_cause_of_text(const char *text);
/* The row of a word of this table or of ssh_probe.h, or NULL. */
const struct verdict_cause *verdict_cause_of_word(const char *word);
/* borg failed and said nothing that the table knows. */
const struct verdict_cause *verdict_cause_unknown(void);
/* True when the lock named in a lock message belongs to borg's local cache, not to a repository. */
bool verdict_lock_is_cache(const char *text);

#endif
