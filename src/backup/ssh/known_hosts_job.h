/* known_hosts_job: the plan of a job that asks a host for its keys by ssh-keyscan, and pins the one
 * with the expected fingerprint. Without one it only tells what it found (in the result's "found")
 * and ends well with ERR_CONFIRMATION_NEEDED as its answer. Loop's thread. */
#ifndef BACKUP_SSH_KNOWN_HOSTS_JOB_H
#define BACKUP_SSH_KNOWN_HOSTS_JOB_H

#include "backup/run/operation.h"

struct known_hosts_job {
    const char *dir;
    const char *host;        /* as known_hosts_name accepts it */
    int port;                /* 0: 22 */
    const char *fingerprint; /* "SHA256:…", or NULL */
    bool replace;
};

extern const struct operation_plan known_hosts_job_plan;
void *known_hosts_job_new(const struct known_hosts_job *spec); /* copied; NULL: no memory */

#endif
