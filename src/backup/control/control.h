/* control: the private socket between one job and the `borg` and `askpass` that its borgmatic
 * starts.
 *
 * STATE_DIR/run/<random>/ (0700) holds: `s`, a SOCK_SEQPACKET unix socket (0600); `bin/borg` and
 * `bin/askpass`, symlinks to our own program; `tmp/`, where borgmatic keeps what belongs to its run
 * (two that share a folder for that, as /tmp, remove each other's: borgmatic 1.9); and the evidence
 * that the shim leaves on disk for the case that we die (evidence-<pid>.json: exit code, archive
 * name and id). The directory is removed with the control. A peer is believed only when its program
 * is ours (SO_PEERCRED, /proc/PID/exe) and its parent is the job's borgmatic (borg), or when it
 * asks for an ssh that is below a borg of this job, or is the leader or its child itself (askpass;
 * one answer to each ssh; new_key tells of the exception). Any other caller of that `borg` is told
 * to run the real one untouched. Loop's thread only. The messages are in
 * backup/control/control_msg.h. */
#ifndef BACKUP_CONTROL_CONTROL_H
#define BACKUP_CONTROL_CONTROL_H

#include "base/err.h"
#include "base/secret.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct control;

/* Of one borg that the shim ran, from its hello to its exit. Borrowed during the callbacks. */
struct control_run {
    uint32_t n;               /* 0, 1, … in this job */
    pid_t shim_pid, borg_pid; /* borg_pid 0 until it runs */
    const char *const *argv;  /* as borgmatic gave it, NULL-terminated */
    const char *const *env;   /* record mode only: BORG_* entries of its environment, "NAME=value";
                                 never BORG_PASSPHRASE and the like, see passphrase */
    const struct secret
        *passphrase; /* record mode only: what borgmatic would have given, or NULL */
};

/* borg's command among its arguments ("create"), or "". Borrowed. */
const char *control_run_command(const struct control_run *run);
/* True when LOCATION or LOCATION::archive stands among the arguments. */
bool control_run_concerns(const struct control_run *run, const char *location);

struct control_spec {
    const char *state_dir;
    const char *borg; /* absolute path of the real borg */
    /* "SECONDS.NANOSECONDS LINE": what `borg --version` printed when the file named by `borg` had
     * that time of change. borgmatic asks it before every action; while the file is the same the
     * shim answers so, without starting Python. NULL or "": borg itself is asked. Copied. */
    const char *borg_said;
    const struct secret *borg_passphrase; /* copied; NULL: the config's own stays in force */
    const struct secret *ssh_passphrase;  /* copied; NULL: askpass refuses */
    const char *ssh_key; /* file whose prompt askpass answers; NULL: any "Enter passphrase for
                            key" prompt */
    bool new_key;        /* askpass answers ssh-keygen, the leader itself, each of its two questions
                            for a new key's passphrase once, and nobody else */
    bool record;         /* record mode (backup/repo/resolve): note, run nothing, rc 0 */
    void (*on_start)(void *arg, const struct control_run *run);
    /* One JSON object that borg wrote on stderr (any type it has: archive_progress, log_message,
     * file_status, progress_percent, …). Borrowed. */
    void (*on_message)(void *arg, const struct control_run *run, const json_t *message);
    /* borg wrote a line that is no JSON. */
    void (*on_text)(void *arg, const struct control_run *run, const char *line, size_t n);
    /* borg has ended: its own code, or the signal that killed it (code then 128 + signal). A shim
     * that vanished without a word counts as killed by SIGKILL. Record mode: on_start and on_exit
     * (0) come together, when all is noted. */
    void (*on_exit)(void *arg, const struct control_run *run, int code, int signal);
    void *arg; /* any callback may free the control */
};

/* Makes the directory and listens. ERR_INVALID_SECRETS for a passphrase beyond LIMIT_SECRET. */
struct control *control_new(uv_loop_t *loop, const struct control_spec *spec, struct err *e);
/* The child that is this job's borgmatic: set right after it was started; until then peers wait. */
void control_set_leader(struct control *c, pid_t borgmatic);
const char *control_dir(const struct control *c); /* …/run/<random> */
/* Entries to add to the child's environment (NULL-terminated, borrowed): PATH with bin/ first,
 * BORGMATIC_API_CONTROL=<socket>, BORGMATIC_API_BORG=<real borg>, BORGMATIC_API_BORG_SAID=<its
 * version>, and SSH_ASKPASS, SSH_ASKPASS_REQUIRE=force when there is an ssh passphrase. `path` is
 * the PATH that follows bin/; the caller adds none of its own. NULL without memory. */
const char *const *control_env(struct control *c, const char *path);
const char *control_shim(const struct control *c); /* …/bin/borg, for local_path overrides */
/* SIGINT or another signal to every borg that runs below a shim of this job; how many there were.
 * One that is only being started gets it as soon as it runs. After SIGINT, SIGTERM or SIGKILL no
 * other borg is started in this job: borgmatic sees one that ends with 2. */
unsigned control_signal_borg(struct control *c, int signal);
/* Closes the socket, removes the directory, wipes; frees itself when its handles are gone. No
 * callback follows. NULL is a no-op. */
void control_free(struct control *c);

/* After our own death: what the shims of the job whose control directory was `dir` left. Calls
 * `each` for each archive that borg reported as made before it ended; then the directory may be
 * removed by control_sweep. Blocks shortly: start-up only. */
void control_evidence(const char *dir,
                      void (*each)(void *arg, const char *repository, const char *archive,
                                   const char *id, int exit_code),
                      void *arg);
/* Removes every control directory of a former life below state_dir. Start-up only. */
void control_sweep(const char *state_dir);

/* main() of the two small programs (argv[0] decides): return the exit code. */
int shim_main(int argc, char **argv);
int askpass_main(int argc, char **argv);

#endif
