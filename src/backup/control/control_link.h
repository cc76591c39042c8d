/* control_link: the shim's and askpass's end of the control socket.
 *
 * Plain blocking calls with a limit of time. A link that failed stays closed, and every later call
 * says so at once: the small programs then go on without the daemon. */
#ifndef BACKUP_CONTROL_CONTROL_LINK_H
#define BACKUP_CONTROL_CONTROL_LINK_H

#include "backup/control/control_msg.h"
#include "base/buf.h"

#include <stdbool.h>

struct control_link {
    int fd;         /* −1: no link */
    bool stalled;   /* the daemon left no room for CONTROL_SEND_MS: it is not waited for again
                       before it has taken something */
    char dir[4096]; /* the control directory */
    struct buf out; /* the message being sent; wiped */
};

/* Connects to the socket that BORGMATIC_API_CONTROL names. */
bool control_link_open(struct control_link *l);
void control_link_close(struct control_link *l);

/* Sends one message; what may be `dropped` is so at once when there is no room. */
bool control_link_send(struct control_link *l, const struct control_msg *m, bool dropped);
/* Sends the strings as one or more messages like `m` (its list and `more` are filled in). What
 * does not fit the bounds of a list, or one message, is left out. */
bool control_link_send_strings(struct control_link *l, struct control_msg m,
                               const char *const *strings);

struct control_orders {
    enum control_mode mode;
    char borg[4096]; /* "" when not told */
    int fd;          /* the passphrase's pipe, close-on-exec; −1: none */
};
/* Waits for the answer; false when there is none, and the link is closed then. */
bool control_link_orders(struct control_link *l, struct control_orders *o);

#endif
