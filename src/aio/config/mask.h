/* mask: AIO's secrets, so that no line of its programs shows one.
 *
 * AIO keeps them all in clear text in configuration.json (`password`, `AIO_TOKEN`, everything in
 * `secrets`, `borg_restore_password`, a password in `borg_remote_repo`) and hands them to its
 * containers in their environment. They are read here, turned into needles and wiped. Blocks (a
 * file); a task's thread. */
#ifndef AIO_CONFIG_MASK_H
#define AIO_CONFIG_MASK_H

#include "base/err.h"
#include "jobs/redact.h"

#include <jansson.h>
#include <stdbool.h>

/* What configuration.json holds; a file that cannot be read adds nothing. False when a secret could
 * not be added (no memory, too many): then no line may be shown. */
bool aio_mask_config(struct redact *r, const char *config_file, struct err *e);
/* The values in a container's environment whose names speak of secrets (of "inspect"). */
bool aio_mask_container(struct redact *r, const json_t *inspect, struct err *e);

#endif
