/* restore: the handlers of the routes that bring files back. */
#ifndef API_HANDLERS_RESTORE_H
#define API_HANDLERS_RESTORE_H

#include "api/call.h"

void restore_extract(struct call *c);
void restore_verify(struct call *c);
void restore_extract_async(struct call *c);

#endif
