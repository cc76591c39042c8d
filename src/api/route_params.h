/* route_params: parameters that many rows of the route table have. For api/routes.c. */
#ifndef API_ROUTE_PARAMS_H
#define API_ROUTE_PARAMS_H

#include "api/route.h"
#include "limits.h"

/* clang-format off */
#define PARAMS(...) (const struct param[]) { __VA_ARGS__, {.name = NULL} }

#define P_LABEL \
    {"label", PARAM_PATH, PARAM_LABEL, true, 0, 0, \
     "Label of the configuration: the name of its file without .yaml."}
#define P_CONFIG \
    {"repository", PARAM_BODY, PARAM_LABEL, true, 0, 0, \
     "Label of the configuration: the name of its file without .yaml."}
#define P_BORG_PASSPHRASE \
    {"borg_passphrase", PARAM_BODY, PARAM_SECRET, false, 1, 0, \
     "The repository's passphrase; it counts more than the configuration's."}
#define P_SSH_PASSPHRASE \
    {"ssh_passphrase", PARAM_BODY, PARAM_SECRET, false, 0, 0, \
     "The SSH key's passphrase; it must differ from the repository's."}
#define P_REPOSITORY_LABEL \
    {"repository_label", PARAM_BODY, PARAM_STRING, false, 1, 256, \
     "Only this one of the configuration's repositories, by label or path."}
#define Q_REPOSITORY_LABEL \
    {"repository_label", PARAM_QUERY, PARAM_STRING, false, 1, 256, \
     "Only this one of the configuration's repositories, by label or path."}
#define P_VERBOSITY \
    {"verbosity", PARAM_BODY, PARAM_INT, false, -2, 2, "How much borgmatic says."}
#define P_TIMEOUT \
    {"timeout", PARAM_BODY, PARAM_INT, false, 1, JOB_DEADLINE_S, \
     "Seconds after which the job is ended."}
#define P_PROCESS_TIMEOUT \
    {"process_timeout", PARAM_BODY, PARAM_INT, false, 1, 3600, \
     "Seconds after which the job is ended."}
#define Q_TIMEOUT \
    {"timeout", PARAM_QUERY, PARAM_INT, false, 1, 3600, "Seconds after which the job is ended."}
#define P_QUEUE \
    {"queue", PARAM_BODY, PARAM_BOOL, false, 0, 0, \
     "Waits for its turn when the repository is busy, instead of a 409."}
#define P_DRY_RUN {"dry_run", PARAM_BODY, PARAM_BOOL, false, 0, 0, "Writes nothing."}
#define P_CONFIRM(what) {"confirm", PARAM_BODY, PARAM_STRING, false, 1, 256, what}
/* clang-format on */

#endif
