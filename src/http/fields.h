/* fields: what the header fields that steer HTTP itself mean (Host, Content-Length,
 * Transfer-Encoding, Connection, Expect) and whether the target has a form served here. Pure. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "base/err.h"
#include "http/parse.h"

#include <stdbool.h>

/* The parser's method_name, target, minor and headers are in place; fills method, keep_alive,
 * expect_continue, has_body, chunked and content_length, or refuses the request. */
bool http_fields_read(struct http_parse *p, struct err *e);

#endif
