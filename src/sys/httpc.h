/* httpc: HTTP calls to others (Docker Engine, later webhooks), by libcurl on the loop.
 *
 * http and https only, no redirects, no proxies from the environment, sockets close-on-exec, every
 * reply bounded. Memory of a call is wiped when it is given back. Loop's thread only. */
#ifndef SYS_HTTPC_H
#define SYS_HTTPC_H

#include "base/err.h"

#include <stddef.h>
#include <uv.h>

struct httpc;
struct httpc_call;

struct httpc_reply {
    int status;       /* 0: no answer came, see the error */
    const char *body; /* followed by a NUL; borrowed */
    size_t body_len;
};

struct httpc_request {
    const char *method;      /* "GET", "POST", … */
    const char *url;         /* http://… ; the host is only a name when unix_socket is set */
    const char *unix_socket; /* path, or NULL */
    /* "Name: value", ended by NULL, without line ends; or NULL. May hold secrets. */
    const char *const *headers;
    unsigned timeout_ms; /* for the whole call */
    size_t reply_max;    /* bytes of body; beyond it the call fails */
    /* Once, never from inside httpc_start. `e` is NULL when an HTTP answer came, whatever its
     * status. */
    void (*done)(void *arg, const struct httpc_reply *reply, const struct err *e);
    void *arg;
};

struct httpc *httpc_new(uv_loop_t *loop, struct err *e);
/* Strings are copied. The handle is valid until done. */
struct httpc_call *httpc_start(struct httpc *h, const struct httpc_request *r, struct err *e);
void httpc_cancel(struct httpc_call *c); /* done will not run; NULL is a no-op */
/* Cancels what runs; frees itself when its handles are gone. NULL is a no-op. */
void httpc_close(struct httpc *h);

#endif
