/* downloads: files and folders out of archives, streamed. */
#ifndef API_HANDLERS_DOWNLOADS_H
#define API_HANDLERS_DOWNLOADS_H

#include "api/call.h"

void downloads_file(struct call *c);

#endif
