/* child_env: the whole environment every child starts from: PATH, HOME, LC_ALL, BORG_BASE_DIR, and
 * the names of the setting CHILD_ENV with the values we were started with. Nothing else is
 * inherited, and no setting of ours, so no token. */
#ifndef CHILD_ENV_H
#define CHILD_ENV_H

#include "config.h"
#include "limits.h"

#include <stdbool.h>

struct child_env {
    char *list[CHILD_ENVS + 1];
    const char *entries[CHILD_ENVS + 1]; /* NULL-terminated; borrowed from list */
    const char *path;                    /* the value of PATH */
};

/* False when memory is gone. */
bool child_env_build(struct child_env *ce, const struct config *c, char **environ_);
void child_env_done(struct child_env *ce);

#endif
