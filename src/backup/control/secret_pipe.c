#include "backup/control/secret_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int secret_pipe(const struct secret *s, struct err *e)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "no pipe for the passphrase: %s", strerror(errno));
        return -1;
    }
    ssize_t n = write(fd[1], secret_bytes(s), secret_len(s));
    (void)close(fd[1]);
    if (n != (ssize_t)secret_len(s)) {
        (void)close(fd[0]);
        (void)err_set(e, ERR_UNAVAILABLE, "the passphrase does not fit into a pipe");
        return -1;
    }
    (void)fcntl(fd[0], F_SETFL, 0); /* the child expects an ordinary file */
    return fd[0];
}
