/* procfs: who runs on this machine, read from /proc.
 *
 * Functions of the first part block for a few milliseconds: they are for worker threads and small
 * programs; the loop uses procfs_scan. A process may vanish between two looks: that is no error. */
#ifndef SYS_PROCFS_H
#define SYS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

enum { PROCFS_FOUND_MAX = 256 };

/* Parent of pid, or 0. */
pid_t procfs_parent(pid_t pid);
/* True when /proc/PID/exe is the same file (device and inode) as our own program. */
bool procfs_is_our_program(pid_t pid);
/* Last part of the name of the program file of pid ("ssh"), "" when unknown. */
void procfs_program(pid_t pid, char *out, size_t size);
/* True when pid runs a program or script of that name ("borg", also as "python3 /usr/bin/borg")
 * that is not our own. */
bool procfs_runs(pid_t pid, const char *name);
/* The same, but told apart from a program that only has such an argument ("tail -f /log/borg"): by
 * argv[0], or as a script or module ("-m borg") of a Python. */
bool procfs_is_program(pid_t pid, const char *name);
/* The value of the entry "name=…" of its environment; false when there is none, or it may not be
 * read. */
bool procfs_env_value(pid_t pid, const char *name, char *out, size_t size);
/* Every process; not sorted. */
void procfs_each(void (*each)(void *arg, pid_t pid), void *arg);
/* Processes whose environment holds exactly the entry `entry` ("NAME=value"); zombies and we
 * ourselves are left out. One that is in the middle of an execve is waited for, at most
 * PROCFS_EXEC_LOOKS * PROCFS_LOOK_MS, and for all PROCFS_PAUSES * PROCFS_LOOK_MS. Returns how many
 * were stored. */
size_t procfs_find_env(const char *entry, pid_t *out, size_t max);
/* Sends the signal to pid only if its environment still holds the entry (by a pidfd, so that a
 * reused number is never hit). */
bool procfs_signal_env(pid_t pid, const char *entry, int signal);

/* The same search on a worker thread; `found` runs on the loop, once. `signal` (0: none) is sent to
 * each that is found. False when it cannot be started. */
bool procfs_scan(uv_loop_t *loop, const char *entry, int signal,
                 void (*found)(void *arg, const pid_t *pids, size_t n), void *arg);

#endif
