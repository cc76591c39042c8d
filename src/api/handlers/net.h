/* net: handlers about the network (api/routes/net.def). */
#ifndef API_HANDLERS_NET_H
#define API_HANDLERS_NET_H

#include "api/call.h"

#include <stdbool.h>

void net_tcp_check(struct call *c);

/* Pure: does `list` ("host,other:22,[::1]:443") allow this host and port? Names of hosts know no
 * case; an entry without a port allows every port. */
bool net_allowed(const char *list, const char *host, int port);

#endif
