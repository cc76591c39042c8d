/* control_dir: the directory of one control socket, on disk.
 *
 * Its layout is told in backup/control/control.h. A socket's address holds 107 bytes only, whatever
 * STATE_DIR may be: both sides therefore open the directory and name the socket by
 * /proc/self/fd/N/s. No state; blocks for a few system calls on names. */
#ifndef BACKUP_CONTROL_CONTROL_DIR_H
#define BACKUP_CONTROL_CONTROL_DIR_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

/* Makes STATE_DIR/run/<random> with its links to our program; its path (mem_free), or NULL. */
char *control_dir_make(const char *state_dir, struct err *e);
/* Removes it with all it holds; symlinks are not followed. NULL is a no-op. */
void control_dir_remove(const char *dir);

/* Opens the directory; −1 with errno. The address is valid as long as that descriptor is open. */
int control_dir_open(const char *dir);
void control_dir_socket(int dirfd, struct sockaddr_un *address);

/* What a shim leaves behind. */
struct control_evidence {
    const char *repository, *archive, *id;
    int exit_code;
};
/* Writes evidence-<pid>.json by rename; false when it cannot. */
bool control_dir_write_evidence(const char *dir, pid_t pid, const struct control_evidence *ev);

#endif
