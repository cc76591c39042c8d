/* config_check: plans that ask borgmatic whether configurations are valid. Nothing is changed and
 * no hook runs: it reads the files and ends. Loop's thread only. */
#ifndef BACKUP_CONFIGS_CONFIG_CHECK_H
#define BACKUP_CONFIGS_CONFIG_CHECK_H

#include "backup/run/operation.h"

#include <linux/limits.h>

struct config_check_argv {
    char file[PATH_MAX];
    const char *argv[8];
};

/* borgmatic's own validation of one file, in the installed version's words. `path` must live as
 * long. False: ERR_UNSUPPORTED. */
bool config_check_argv(const struct borgmatic_tools *t, const char *path,
                       struct config_check_argv *out, struct err *e);

/* The plan's data: the configuration of one label, or (NULL) all in the folder. NULL: no memory.
 * The job's document is [{"file","label","valid","returncode","stdout","stderr"}]. */
void *config_check_new(const char *dir, const char *label);
extern const struct operation_plan config_check_plan;

#endif
