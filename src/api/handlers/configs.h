/* configs: handlers of the configurations: what they are (configs.c), what borgmatic says of them
 * and how they are changed (configs_write.c). */
#ifndef API_HANDLERS_CONFIGS_H
#define API_HANDLERS_CONFIGS_H

#include "api/call.h"

void configs_list(struct call *c);
void configs_get(struct call *c);
void configs_redacted(struct call *c);
void configs_sources(struct call *c);
void configs_aio_structure(struct call *c);
void configs_aio_structure_all(struct call *c);

void configs_put(struct call *c);
void configs_delete(struct call *c);
void configs_validate(struct call *c);
void configs_validate_all(struct call *c);
void configs_generate(struct call *c);

#endif
