/* sshkeys_job: the plan of a job that makes an ssh key: by ssh-keygen into a folder of its own,
 * then, when asked, proven against the server, then put in place. Its result has the members
 * "created" or "replaced", "private", "public" (paths), "public_key", "authorized_keys",
 * "fingerprint"; a key that was not accepted stays waiting (backup/ssh/sshkeys_folder.h), the old
 * one is untouched, and the result tells the new public key. Loop's thread. */
#ifndef BACKUP_SSH_SSHKEYS_JOB_H
#define BACKUP_SSH_SSHKEYS_JOB_H

#include "backup/run/operation.h"
#include "backup/ssh/ssh_test.h"

struct sshkeys_job {
    const char *dir, *label;
    const char *comment; /* NULL: "borgmatic-api <label>" */
    bool replace;
    bool keep_comment; /* replace: that of the old key, when `comment` is NULL */
    bool fresh;        /* a key that waits is not used but made anew */
    bool passphrase;   /* the operation's ssh_passphrase is for the new key */
    bool test;         /* against the operation's repositories */
    bool host_only;    /* see ssh_test.h */
};

extern const struct operation_plan sshkeys_job_plan;
void *sshkeys_job_new(const struct sshkeys_job *spec); /* copied; NULL: no memory */

#endif
