/* redact: finds a job's secrets in its output and masks them.
 *
 * Needles are kept in every form in which a program prints them: raw, inside a JSON string (with /
 * and non-ASCII escaped or not), percent-encoded (upper and lower case, and form style with '+').
 * Matches become "***". Longest match first; matches may touch. Bounded by LIMIT_NEEDLES; one
 * thread. The needles themselves are wiped when freed. */
#ifndef JOBS_REDACT_H
#define JOBS_REDACT_H

#include "base/buf.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>

struct redact;

struct redact *redact_new(void);
void redact_free(struct redact *r);
/* Adds a secret in all its forms. Shorter than SECRET_MIN bytes: false and nothing added, unless
 * `even_short` (an existing borg passphrase must be masked however short it is). False too when
 * memory is gone or the table is full (the caller must then refuse the work). */
bool redact_add(struct redact *r, const struct secret *s, bool even_short);
/* Writes text with every match masked to out (appended). Returns how many matches. With no needles
 * it copies. */
size_t redact_apply(const struct redact *r, const char *text, size_t n, struct buf *out);
/* True when there is nothing to look for (the caller may skip the copy). NULL is empty. */
bool redact_empty(const struct redact *r);
/* Length of the longest needle: a cut text may end inside a match this long. */
size_t redact_longest(const struct redact *r);

#endif
