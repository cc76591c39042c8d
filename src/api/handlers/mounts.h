/* mounts: the handlers of /archives/mount, umount and mounts. */
#ifndef API_HANDLERS_MOUNTS_H
#define API_HANDLERS_MOUNTS_H

#include "api/call.h"

void mounts_mount(struct call *c);
void mounts_umount(struct call *c);
void mounts_list(struct call *c);

#endif
