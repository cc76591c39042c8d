/* ssh_keys: keys in BORG_SSH_DIR: what is there, new ones, rotation, and whether they work. */
#ifndef API_HANDLERS_SSH_KEYS_H
#define API_HANDLERS_SSH_KEYS_H

#include "api/call.h"

void ssh_keys_list(struct call *c);
void ssh_keys_status(struct call *c);
void ssh_keys_pub(struct call *c);
void ssh_keys_create(struct call *c);
void ssh_keys_replace(struct call *c);
void ssh_keys_renew(struct call *c);
void ssh_keys_rollback(struct call *c);
void ssh_keys_delete(struct call *c);
void ssh_keys_test(struct call *c);

#endif
