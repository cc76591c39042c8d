/* err: the one value by which a call tells why it failed.
 *
 * A fallible function returns false (or NULL) and fills the struct err that its caller passed last;
 * on success the struct is left untouched. Messages are lower-case sentences without a full stop,
 * meant for the API's caller; they never hold a secret. No function here allocates. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

enum err_code {
    ERR_NONE = 0,
#define X(code, status, word) ERR_##code,
#include "base/err.def"
#undef X
    ERR_CODES
};

struct err {
    enum err_code code;
    char field[64]; /* the argument at fault, or "" */
    char msg[384];  /* what was wrong and what was expected */
};

/* Fills `e` (which may be NULL) and returns false, so that a caller can `return err_set(…)`.
 * A message that does not fit is cut. */
__attribute__((format(printf, 3, 4))) bool err_set(struct err *e, enum err_code code,
                                                   const char *fmt, ...);

/* The same, naming the field at fault. */
__attribute__((format(printf, 4, 5))) bool err_field(struct err *e, enum err_code code,
                                                     const char *field, const char *fmt, ...);

/* HTTP status of a code (200 for ERR_NONE) and its API word ("" for ERR_NONE). Static strings. */
int err_status(enum err_code code);
const char *err_word(enum err_code code);

#endif
