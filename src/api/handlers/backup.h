/* backup: POST /create-backup and its dry run. */
#ifndef API_HANDLERS_BACKUP_H
#define API_HANDLERS_BACKUP_H

#include "api/call.h"

void backup_create(struct call *c);
void backup_create_dry_run(struct call *c);

#endif
