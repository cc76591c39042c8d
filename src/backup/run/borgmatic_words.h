/* borgmatic_words: what borgmatic itself says about a failure, without its decoration. Pure. */
#ifndef BACKUP_RUN_BORGMATIC_WORDS_H
#define BACKUP_RUN_BORGMATIC_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The lines of borgmatic's stderr that tell something, joined by "; ", each once, escapes removed,
 * cut to fit `out` (the last lines win). Empty when there are none. */
void borgmatic_words(const char *stderr_text, char *out, size_t size);
/* The configuration could not be read or is not valid. */
bool borgmatic_words_config(const char *stderr_text);
/* A hook asked to skip the rest (exit code 75). */
bool borgmatic_words_soft_failure(const char *stderr_text);
/* A command that is not borg (a hook, a dump) failed. */
bool borgmatic_words_hook(const char *stderr_text);

#endif
