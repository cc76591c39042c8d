/* tcp_probe: can a TCP connection to a host and port be made?
 *
 * The name is resolved on a worker thread, then all its addresses are tried, each begun
 * TCP_PROBE_STAGGER_MS after the one before (or when that has failed), until one answers, all have
 * failed or the time is up. No byte is sent. Loop's thread only. */
#ifndef SYS_TCP_PROBE_H
#define SYS_TCP_PROBE_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

struct tcp_probe;

struct tcp_probe_result {
    bool reachable;
    const char *word;   /* "", "name_unresolved", "connection_refused", "host_unreachable",
                           "connect_timeout", "connect_failed"; static */
    const char *detail; /* the system's words for it, or ""; static */
    double latency_ms;  /* from the begin of the address that answered to its answer */
    char address[64];   /* that answered, or was tried last; "" when none was */
};

/* `done` runs once, never from inside; tcp_probe_free in it or later is the owner's. NULL and `e`:
 * no memory. */
struct tcp_probe *tcp_probe_start(uv_loop_t *loop, const char *host, int port, unsigned timeout_ms,
                                  void (*done)(void *arg, const struct tcp_probe_result *r),
                                  void *arg, struct err *e);
/* At any time; what is under way is given up. NULL is a no-op. */
void tcp_probe_free(struct tcp_probe *p);

#endif
