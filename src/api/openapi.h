/* openapi: the API's description, made from the rows of the route table. Pure. */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "base/buf.h"

/* OpenAPI 3.1 as docs/openapi.yaml holds it. */
void openapi_document(struct buf *out);
/* The table of routes between the markers of the README. */
void openapi_markdown(struct buf *out);

#endif
