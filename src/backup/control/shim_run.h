/* shim_run: the real borg as a child of the shim, its stderr read, its end passed on. */
#ifndef BACKUP_CONTROL_SHIM_RUN_H
#define BACKUP_CONTROL_SHIM_RUN_H

#include "backup/control/control_link.h"
#include "backup/control/shim_args.h"

/* Starts borg (args->argv, our environment), reports on the link, waits until borg has ended.
 * Returns its exit code; when a signal killed it, kills us with the same. `passphrase` is the
 * descriptor that borg inherits, or −1. */
int shim_run(struct control_link *link, const struct shim_args *args, int passphrase);

#endif
