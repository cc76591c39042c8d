/* nearest: finds the name that somebody probably meant. Pure functions. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

enum { NEAREST_NAME = 48 }; /* longer names are taken to be far from everything */

/* Single-letter insertions, deletions, replacements and swaps of neighbours between a and b (ASCII,
 * letters of either case are the same); NEAREST_NAME when one of them is longer than that. */
size_t nearest_distance(const char *a, const char *b);

#endif
