/* export: archives written as tar files. */
#ifndef API_HANDLERS_EXPORT_H
#define API_HANDLERS_EXPORT_H

#include "api/call.h"

void export_tar(struct call *c);

#endif
