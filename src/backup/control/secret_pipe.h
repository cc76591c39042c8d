/* secret_pipe: hands a secret to a child by a descriptor. Any thread. */
#ifndef BACKUP_CONTROL_SECRET_PIPE_H
#define BACKUP_CONTROL_SECRET_PIPE_H

#include "base/err.h"
#include "base/secret.h"

/* The read end of a pipe that holds the secret, close-on-exec, or −1. It is written whole before
 * anyone reads: a secret (LIMIT_SECRET) is far smaller than a pipe. */
int secret_pipe(const struct secret *s, struct err *e);

#endif
