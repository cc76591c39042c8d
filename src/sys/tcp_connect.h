/* tcp_connect: a TCP connection made while the caller waits; for a task's thread, never the loop
 * (which has sys/tcp_probe). */
#ifndef SYS_TCP_CONNECT_H
#define SYS_TCP_CONNECT_H

#include "base/err.h"

/* Tries the addresses of `host` (a name, or a literal without brackets) in the system's order, each
 * for its share of `timeout_ms` or until `stop_fd` (−1: none) is readable. Returns a descriptor,
 * non-blocking and close-on-exec, that the caller closes; −1 and ERR_UNAVAILABLE says why in words.
 * Looking the name up takes as long as the system's resolver lets it. Sends nothing. */
int tcp_connect(const char *host, int port, unsigned timeout_ms, int stop_fd, struct err *e);

#endif
