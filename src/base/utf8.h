/* utf8: the one place that knows what valid UTF-8 is (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). Pure functions. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes of the valid character at s (1–4, at most n), or 0 when there is none. n > 0. */
size_t utf8_char(const unsigned char *s, size_t n);
bool utf8_valid(const char *s, size_t n);
/* The longest length ≤ max that ends on a character border of the valid text s. */
size_t utf8_cut(const char *s, size_t n, size_t max);

#endif
