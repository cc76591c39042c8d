/* control_conn: one peer of a control socket, from its hello to its end; private to control*.c.
 *
 * A peer says who it is, waits until the job's leader is known, gets its orders and, when it runs
 * borg, reports. Freed by uv's close callback, so that a callback may free the whole control while
 * a message of the peer is being handled. Loop's thread only. */
#ifndef BACKUP_CONTROL_CONTROL_CONN_H
#define BACKUP_CONTROL_CONTROL_CONN_H

#include "backup/control/control.h"
#include "backup/control/control_msg.h"
#include "base/buf.h"
#include "limits.h"

enum control_state {
    CONTROL_GREETING,  /* its hello is not complete */
    CONTROL_WAITING,   /* it is, but the leader is not known yet */
    CONTROL_STARTING,  /* told to run borg */
    CONTROL_RUNNING,   /* borg runs */
    CONTROL_RECORDING, /* told to note what it was called with */
    CONTROL_ENDED,     /* nothing more is expected of it */
};

/* Strings as they come, and the vector over them once all are there. */
struct control_strings {
    struct buf bytes;
    size_t count;
    const char **v; /* NULL until control_conn made it */
};

struct control_conn {
    struct control_conn *next;
    struct control *c;
    uv_poll_t poll;
    int fd;
    pid_t pid; /* the process that connected */
    enum control_state state;
    enum control_kind kind;
    struct control_strings argv, env;
    struct secret *passphrase; /* record mode */
    struct control_run run;
    int signal; /* to be sent as soon as borg's pid is known, or 0 */
};

struct control {
    uv_loop_t *loop;
    struct control_spec spec; /* its strings and secrets are those below */
    char *borg, *borg_said, *ssh_key;
    struct secret *borg_passphrase, *ssh_passphrase;
    char *dir, *socket, *shim;
    char *env[9]; /* what control_env gave, NULL-terminated */
    int dirfd, fd;
    uv_poll_t poll;
    bool listening; /* polled; not while all places are taken */
    bool closing;
    bool ending;      /* borg was told to end: no other one is started */
    unsigned handles; /* not closed yet */
    pid_t leader;
    uint32_t runs;
    struct control_conn *conns;
    unsigned count;
    pid_t ssh_seen[CONTROL_SSH_SEEN];
    unsigned ssh_next;
    unsigned new_key_told; /* bits of the questions for a new key's passphrase that were answered */
    unsigned char message[CONTROL_MSG + 1]; /* one more, so that a longer one is noticed */
};

/* Takes over the connected socket; false when it could not (the caller closes it). */
bool control_conn_open(struct control *c, int fd, pid_t pid);
/* The leader is known now. */
void control_conn_leader(struct control_conn *p);
/* True when the signal was sent, or will be once borg runs. */
bool control_conn_signal(struct control_conn *p, int signal);
void control_conn_close(struct control_conn *p);

/* control.c: a handle is gone, a place is free. */
void control_handle_closed(struct control *c);
void control_place_free(struct control *c);

#endif
