/* control_peer: who may be answered on a job's control socket.
 *
 * Reads /proc a few times for one process: microseconds, done once per borg or askpass that
 * connects. A process that vanishes meanwhile is not believed. No state. */
#ifndef BACKUP_CONTROL_CONTROL_PEER_H
#define BACKUP_CONTROL_CONTROL_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The process that connected, by the kernel's word, if its program is ours; else 0. */
pid_t control_peer_ours(int fd);

/* True when `pid` is a child of the job's borgmatic. */
bool control_peer_is_borg(pid_t pid, pid_t leader);

/* The ssh that asks through the askpass `pid`: its parent, when that program is called ssh and it
 * is the leader itself, the leader's child, or below one of `shims`. Else 0. */
pid_t control_peer_ssh(pid_t pid, pid_t leader, const pid_t *shims, size_t n);

/* True when ssh-keygen asks through the askpass `pid`, and is the leader itself. */
bool control_peer_is_keygen(pid_t pid, pid_t leader);

/* ssh-keygen's questions for a new key's passphrase: 1 for the first, 2 for the second, else 0. */
unsigned control_peer_new_key_prompt(const char *prompt);

/* True for ssh's question for a key's passphrase; with `key` only for that file (ssh names its
 * first hundred bytes). Host key questions are none. */
bool control_peer_prompt(const char *prompt, const char *key);

#endif
