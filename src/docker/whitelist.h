/* whitelist: the only commands that are ever executed in a container, each as an exact argv, with a
 * fixed table of environment keys and values. Everything else is ERR_EXEC_FORBIDDEN.
 *
 * AIO's mastercontainer has the Docker socket: whoever may execute freely in it is root on the
 * host. And its daily-backup.sh takes Nextcloud down for any argument or value that it does not
 * know, so all five flags are always said; PHP keeps some other variables for good (AIO's
 * ConfigurationManager), so none of those is here. Pure; any thread. */
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

/* Names as configured: AIO_MASTER ("": nothing is allowed), AIO_DAILY, AIO_HEALTH. Borrowed. */
struct whitelist {
    const char *master, *daily, *health;
};

/* `argv` and `env` ("KEY=value") are NULL-terminated; env may be NULL. The daily script must be
 * told all five flags, one of them 1; with the word "stop" STOP_CONTAINERS=1 and no other; the
 * health script is told nothing. `e` names the field: container, command or env. */
bool whitelist_allows(const struct whitelist *w, const char *container, const char *const *argv,
                      const char *const *env, struct err *e);
enum { WHITELIST_FLAGS = 5 };
/* The same without looking at any environment. */
bool whitelist_command(const struct whitelist *w, const char *container, const char *const *argv,
                       struct err *e);
/* The five flags of the daily script first, then what else it may be told; ended by a NULL key. */
const struct whitelist_env *whitelist_env_table(void);
/* The reference API's {name:{commands,no_shell,description}}, one member a container, with "env":
 * the table of the daily script. */
void whitelist_write(const struct whitelist *w, struct jsonw *out);

#endif
