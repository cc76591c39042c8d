/* config_facts: what one configuration's own text says, in either layout; what it includes is not
 * looked at. Of a masked one (backup/configs/config_mask) what may be shown. Pure. */
#ifndef BACKUP_CONFIGS_CONFIG_FACTS_H
#define BACKUP_CONFIGS_CONFIG_FACTS_H

#include "base/yaml.h"

#include <jansson.h>
#include <stdbool.h>

/* AIO's archive_name_format, without which it does not find the archives again. */
#define CONFIG_AIO_FORMAT "{now:%Y%m%d_%H%M%S}-nextcloud-aio"

/* An option's value, at the top or in the section of old; NULL. */
struct yaml_node *config_fact(struct yaml_node *root, const char *section, const char *name);
/* source_directories and the roots of patterns ("R /home"), as an array of text. NULL: no memory.
 */
json_t *config_facts_sources(struct yaml_node *root);
/* archive_name_format, or NULL. Borrowed. */
const char *config_facts_name_format(struct yaml_node *root);

#endif
