/* archives: which there are, what is in them, and deleting one. */
#ifndef API_HANDLERS_ARCHIVES_H
#define API_HANDLERS_ARCHIVES_H

#include "api/call.h"
#include "api/config_call.h"

void archives_list(struct call *c); /* GET */
void archives_info(struct call *c); /* POST: the reference API's */
void archives_tree(struct call *c);
void archives_diff(struct call *c);
void archives_find(struct call *c);
void archives_delete(struct call *c);

/* The request is about one archive: its name as borg is to be asked for it, "" for "latest". NULL
 * when the call was answered: no such name can be, or it is not said in which of several
 * repositories. */
const char *archives_named(struct config_call *cc, const char *name);

#endif
