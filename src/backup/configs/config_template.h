/* config_template: a configuration to begin with, commented, in the layout of the installed
 * borgmatic (sections before 1.8). Pure. */
#ifndef BACKUP_CONFIGS_CONFIG_TEMPLATE_H
#define BACKUP_CONFIGS_CONFIG_TEMPLATE_H

#include "backup/run/borgmatic.h"
#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* `given`: "sources" (list of text), "repository" (text), "repository_label", and any of
 * "keep_daily" …; of the types that the route's row says. ERR_BAD_REQUEST names the field. */
bool config_template(const struct borgmatic_version *v, const json_t *given, struct buf *out,
                     struct err *e);

#endif
