/* openapi: the route table as documents. Pure but for the table. */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "base/buf.h"

/* docs/openapi.yaml (OpenAPI 3.1). */
void openapi_document(struct buf *out);
/* The table of routes in the README. */
void openapi_markdown(struct buf *out);

#endif
