/* config_value: the text of one setting made into its value, or the reason why it cannot be.
 * For config.c. Pure but for reading a token's file. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/err.h"
#include "base/secret.h"
#include "config.h"
#include "config_table.h"

#include <stdbool.h>

/* Shortest token taken: 16 characters of even the poorest usual alphabet (hex) are 64 bits, which
 * nobody guesses at the few tries a minute that are allowed; words and names are shorter. */
enum { TOKEN_MIN = 16 };

/* Sets the member of `c` that the row (not a token) means. `text` is not empty, or it is the row's
 * own default. The message does not name the setting. */
bool config_value_set(struct config *c, const struct setting *row, const char *text, struct err *e);

/* The token given by value, or by the file's first line; exactly one of the two is not NULL. NULL
 * and `e` when it cannot be a token. The message holds no part of it. */
struct secret *config_token(const char *value, const char *file, struct err *e);

#endif
