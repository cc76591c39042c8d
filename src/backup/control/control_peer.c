#include "backup/control/control_peer.h"

#include "sys/procfs.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ANCESTORS = 16,       /* from ssh up to borg's shim; wrappers in ssh_command lie between */
    SSH_NAME_SHOWN = 100, /* ssh prints "%.100s" */
};

static const char key_prompt[] = "Enter passphrase for key";

pid_t control_peer_ours(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || who.pid <= 0)
        return 0;
    return procfs_is_our_program(who.pid) ? who.pid : 0;
}

bool control_peer_is_borg(pid_t pid, pid_t leader)
{
    return leader > 0 && procfs_parent(pid) == leader;
}

static bool is_one_of(pid_t pid, const pid_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

pid_t control_peer_ssh(pid_t pid, pid_t leader, const pid_t *shims, size_t n)
{
    pid_t ssh = procfs_parent(pid);
    char name[64];
    if (ssh <= 1)
        return 0;
    procfs_program(ssh, name, sizeof name);
    if (strcmp(name, "ssh") != 0)
        return 0;
    pid_t up = procfs_parent(ssh);
    if (leader > 0 && (ssh == leader || up == leader))
        return ssh;
    for (int i = 0; up > 1 && i < ANCESTORS; i++, up = procfs_parent(up))
        if (is_one_of(up, shims, n))
            return ssh;
    return 0;
}

bool control_peer_is_keygen(pid_t pid, pid_t leader)
{
    char name[64];
    if (leader <= 0 || procfs_parent(pid) != leader)
        return false;
    procfs_program(leader, name, sizeof name);
    return strcmp(name, "ssh-keygen") == 0;
}

/* Since OpenSSH 9.9 the first one names the file: Enter passphrase for "…" (empty for …). */
unsigned control_peer_new_key_prompt(const char *prompt)
{
    static const char first[] = "Enter passphrase ", second[] = "Enter same passphrase again";
    if (strncmp(prompt, second, sizeof second - 1) == 0)
        return 2;
    return strncmp(prompt, first, sizeof first - 1) == 0 &&
                   strstr(prompt, "(empty for no passphrase)")
               ? 1
               : 0;
}

bool control_peer_prompt(const char *prompt, const char *key)
{
    if (strncmp(prompt, key_prompt, sizeof key_prompt - 1) != 0)
        return false;
    if (!key)
        return true;
    char want[sizeof key_prompt + SSH_NAME_SHOWN + 8];
    int n = snprintf(want, sizeof want, "%s '%.*s'", key_prompt, SSH_NAME_SHOWN, key);
    return n > 0 && strncmp(prompt, want, (size_t)n) == 0;
}
