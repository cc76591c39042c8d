/* repository_keys: handlers about the keys of repositories; see their rows in
 * api/routes/repositories.def. */
#ifndef API_HANDLERS_REPOSITORY_KEYS_H
#define API_HANDLERS_REPOSITORY_KEYS_H

#include "api/call.h"

void repository_passphrase_change(struct call *c);
/* The one route that answers with a secret. */
void repository_key_export(struct call *c);

#endif
