/* known_hosts: the servers that ssh knows, and their keys. */
#ifndef API_HANDLERS_KNOWN_HOSTS_H
#define API_HANDLERS_KNOWN_HOSTS_H

#include "api/call.h"

void known_hosts_get(struct call *c);
void known_hosts_add(struct call *c);
void known_hosts_delete(struct call *c);

#endif
