/* ssh_probe: why does ssh to a repository's host fail? borg loses ssh's own words in half of the
 * cases; this asks again: `ssh … true` with the same options, key and askpass as the job, bounded
 * by PROBE_MS, and reads ssh's stderr. Loop's thread only. */
#ifndef BACKUP_SSH_SSH_PROBE_H
#define BACKUP_SSH_SSH_PROBE_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

/* Words: "name_unresolved", "connection_refused", "host_unreachable", "connect_timeout",
 * "host_key_changed", "host_key_unknown", "ssh_auth_failed", "ok" (ssh works: borg serve is at
 * fault), "ssh_failed". `sentence` is ssh's own last line in brief. `done` runs once, never from
 * inside. */
typedef void (*ssh_probe_done)(void *arg, const char *word, const char *sentence);

struct ssh_probe_spec {
    const char *location;   /* the repository ("ssh://user@host:port/path", "user@host:path") */
    const char *rsh;        /* the BORG_RSH or --rsh in force ("ssh -i …"), or NULL */
    const char *const *env; /* the child's whole environment; with SSH_ASKPASS in it, ssh may ask */
    void (*started)(void *arg, pid_t pid); /* ssh runs (control_set_leader); may be NULL */
    ssh_probe_done done;
    void *arg;
};

bool ssh_probe(uv_loop_t *loop, const struct ssh_probe_spec *spec, struct err *e);
/* Pure: the word for what ssh printed. */
const char *ssh_probe_word(const char *stderr_text, int exit_code);
/* Pure: ssh's line that says why, or its last one. */
void ssh_probe_sentence(const char *stderr_text, char *out, size_t size);

#endif
