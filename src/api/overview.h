/* overview: what our records say about one repository, folded from jobs' records newest first.
 * Pure. */
#ifndef API_OVERVIEW_H
#define API_OVERVIEW_H

#include "base/jsonw.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct overview {
    const char *location; /* as it is shown, and so stands in records; the owner's */
    double last_attempt, last_success, last_check, restore_verified; /* Unix time; 0: none */
    char last_state[16], last_word[48], last_check_state[16];
    char last_job[128];
    json_t *archive; /* the newest that a job of ours made and read back */
    int64_t size;    /* bytes in the repository; −1: not known */
};

enum overview_kind { OVERVIEW_CREATE, OVERVIEW_CHECK, OVERVIEW_RESTORE, OVERVIEW_INFO };

void overview_init(struct overview *o, const char *location);
void overview_done(struct overview *o);
/* One job's record; of each kind, newer ones first (a second pass may bring them again). */
void overview_fold(struct overview *o, enum overview_kind kind, const json_t *record);
/* Members: last_archive, last_success, last_attempt, last_state, … */
void overview_write(const struct overview *o, struct jsonw *w);

#endif
