/* addr: what is remembered of each client address while it has connections: how many, and which of
 * them have not sent a whole head yet, oldest first.
 *
 * IPv6 clients are counted by their /64, of which one host has the whole; clients of a unix socket
 * are one address. An entry exists only while a connection holds it, so there are never more
 * entries than connections; the hash is keyed, so that nobody can choose colliding addresses. */
#ifndef HTTP_ADDR_H
#define HTTP_ADDR_H

#include "http/link.h"
#include "limits.h"

#include <sodium.h>
#include <sys/socket.h>

struct http_addr {
    struct http_addr *next; /* in its bucket */
    unsigned char key[16];
    unsigned conns;
    unsigned half_open;
    struct http_link half; /* connections without a whole head, oldest first */
};

struct http_addrs {
    struct http_addr *bucket[HTTP_ADDR_BUCKETS];
    unsigned char seed[crypto_shorthash_KEYBYTES];
};

/* sodium_init must have been called. */
void http_addrs_init(struct http_addrs *t);
/* One more connection of that address (NULL: of the unix socket); NULL when memory is gone. */
struct http_addr *http_addr_get(struct http_addrs *t, const struct sockaddr *sa);
/* One connection less; the entry is freed with the last one. */
void http_addr_put(struct http_addrs *t, struct http_addr *a);
/* "192.0.2.7", "2001:db8::1" or "unix"; `text` has room for n bytes. */
void http_addr_text(const struct sockaddr *sa, char *text, size_t n);

#endif
