/* config_policy: whether a configuration that somebody sent may become a file of ours.
 *
 * Data may; what runs programs, and what is not known (backup/configs/config_keys), only when
 * `code` says so, as do tags, "${" and "{credential". Whatever `code` says: no value begins with
 * '-' where it reaches a command line, and no repository's host or login does. Looks at the text as
 * borgmatic would read it, both layouts, aliases followed. Pure. */
#ifndef BACKUP_CONFIGS_CONFIG_POLICY_H
#define BACKUP_CONFIGS_CONFIG_POLICY_H

#include "base/err.h"
#include "base/yaml.h"

#include <stdbool.h>

/* False: ERR_DISABLED (field: the option, "a.b" inside) or ERR_BAD_REQUEST. No value is quoted. */
bool config_policy(struct yaml_node *root, bool code, struct err *e);
/* No character that some readers of YAML take for a line's end and others do not (U+0085, U+2028,
 * U+2029), and no byte order mark: what is judged must be what borgmatic reads. */
bool config_text_ok(const char *text, size_t n, struct err *e);
/* A repository's location: no option, no host or login that ssh would take for one. */
bool config_location_ok(const char *location);

#endif
