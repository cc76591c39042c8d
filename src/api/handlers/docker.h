/* docker: handlers of what the Docker Engine has, and of what may be executed in it
 * (api/routes/docker.def). */
#ifndef API_HANDLERS_DOCKER_H
#define API_HANDLERS_DOCKER_H

#include "api/call.h"

void docker_containers(struct call *c);
void docker_volumes(struct call *c);

/* exec_whitelist.c */
void docker_whitelist(struct call *c);
void docker_whitelist_validate(struct call *c);

#endif
