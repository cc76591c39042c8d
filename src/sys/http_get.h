/* http_get: one GET over a connection that is there already, waited for; for a task's thread, never
 * the loop (which has sys/httpc). No redirects, no proxies from the environment, no cookies. */
#ifndef SYS_HTTP_GET_H
#define SYS_HTTP_GET_H

#include "base/buf.h"
#include "base/err.h"

struct http_get {
    int fd;           /* connected (sys/tcp_connect); closed here in any case */
    const char *url;  /* http:// or https://; its host is the TLS name, too */
    const char *host; /* the header "Host", or NULL: the URL's */
    /* The certificate must be right. False where a private peer has one that it made itself and
     * nothing secret is sent or believed. */
    bool verify;
    unsigned timeout_ms; /* for all of it */
};

/* The HTTP status, whatever it is; the body is appended. −1 and ERR_UNAVAILABLE when no whole
 * answer came in time, or it is longer than out->max. */
int http_get(const struct http_get *asked, struct buf *out, struct err *e);

#endif
