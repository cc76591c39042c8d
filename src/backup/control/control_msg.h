/* control_msg: the messages on a job's control socket, as bytes.
 *
 * One datagram of the SOCK_SEQPACKET socket is one message of at most CONTROL_MSG bytes: a byte
 * that names its type, the type's fixed fields (numbers little-endian), and the rest of the
 * datagram, whose length is known from the datagram's. There is one encoding of each message;
 * whatever else is refused. Pure functions, any thread. Who sends what, in this order:
 *
 *   shim     HELLO borg …            argv; several when it is long (`more`)
 *   daemon   ANSWER                  untouched | run | record | refused, the real borg, an fd
 * beside it shim     (run) STARTED, then JSON and TEXT as borg writes them, then EXIT shim (record)
 * ENV …, PASSPHRASE at most once, EXIT askpass  HELLO askpass           the prompt daemon   ANSWER
 * run with the passphrase in the fd, else untouched */
#ifndef BACKUP_CONTROL_CONTROL_MSG_H
#define BACKUP_CONTROL_CONTROL_MSG_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum control_msg_type {
    CONTROL_HELLO = 1,  /* kind, more; rest: strings */
    CONTROL_ANSWER,     /* mode, fd; rest: path of the real borg, may be empty */
    CONTROL_JSON,       /* rest: one line that borg wrote, a JSON object */
    CONTROL_TEXT,       /* rest: one line that is none */
    CONTROL_STARTED,    /* pid */
    CONTROL_EXIT,       /* code, signal */
    CONTROL_ENV,        /* more; rest: strings "NAME=value" */
    CONTROL_PASSPHRASE, /* rest: its bytes */
    CONTROL_TYPES,
};

enum control_kind { CONTROL_KIND_BORG = 1, CONTROL_KIND_ASKPASS };

enum control_mode { CONTROL_UNTOUCHED = 1, CONTROL_RUN, CONTROL_RECORD, CONTROL_REFUSED };

/* The most that fits behind the type and the fixed fields of any message. */
enum { CONTROL_REST_MAX = 64 * 1024 + 512 - 16 };

struct control_msg {
    enum control_msg_type type;
    enum control_kind kind;
    enum control_mode mode;
    bool more; /* another message of this type follows and continues the list */
    bool fd;   /* a descriptor comes with the message */
    int32_t pid;
    int32_t code, signal;
    /* Borrowed. Strings (HELLO, ENV) each end with a NUL, and so does the rest as a whole. */
    const char *rest;
    size_t n;
};

/* Appends the message's bytes; false when a field is out of range, or the buffer has failed. */
bool control_msg_encode(const struct control_msg *m, struct buf *out);

/* Reads exactly one message; `rest` points into p. False when it is not one. */
bool control_msg_decode(const void *p, size_t n, struct control_msg *m);

/* The strings of a HELLO or ENV, one after the other: pass NULL first; NULL after the last. */
const char *control_msg_next(const struct control_msg *m, const char *at);

#endif
