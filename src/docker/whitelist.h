/* whitelist: the only commands that are ever executed in a container, each as an exact argv, with a
 * fixed table of environment keys and values. Everything else is ERR_EXEC_FORBIDDEN.
 *
 * The mastercontainer has the Docker socket: whoever may execute freely in it is root on the host
 * (aio.md §5), and an argument or value that its script does not know takes Nextcloud down (aio.md
 * §8.1). Pure; any thread. */
#ifndef DOCKER_WHITELIST_H
#define DOCKER_WHITELIST_H

#include "base/err.h"
#include "base/jsonw.h"

#include <stdbool.h>
#include <stddef.h>

struct whitelist_env {
    const char *key;
    const char *values; /* "0|1"; NULL: a number */
};

/* Names as configured: AIO_MASTER, AIO_DAILY, AIO_HEALTH. Borrowed. */
struct whitelist {
    const char *master, *daily, *health;
};

/* `argv` and `env` ("KEY=value") are NULL-terminated; env may be NULL. */
bool whitelist_allows(const struct whitelist *w, const char *container, const char *const *argv,
                      const char *const *env, struct err *e);
/* The five flags of the daily script and what else it may be told; ended by a NULL key. */
const struct whitelist_env *whitelist_env_table(void);
/* The reference API's {name:{commands,no_shell,description}}, one member a container. */
void whitelist_write(const struct whitelist *w, struct jsonw *out);

#endif
