/* archive_path: paths inside an archive, which are bytes: relative, as borg stores them, without
 * empty parts and "." parts. Pure; any thread. */
#ifndef BACKUP_ARCHIVES_ARCHIVE_PATH_H
#define BACKUP_ARCHIVES_ARCHIVE_PATH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/jsonw.h"

#include <stdbool.h>

enum { ARCHIVE_PATH_MAX = 4096 }; /* bytes, as the system's PATH_MAX */

/* The path as borg stores it: no slash in front, at the end or twice, no "." part; "" is the
 * archive's root. NULL and ERR_BAD_REQUEST on `field` for a ".." part and for what is too long.
 * mem_free. */
char *archive_path_clean(const char *bytes, const char *field, struct err *e);

/* Appends the bytes percent-encoded, as query_decode_bytes reads them; letters, digits and "-._~/"
 * stay. */
void archive_path_encode(struct buf *out, const char *bytes);

/* The members "path" and, for what is no UTF-8, "lossy" and "path_encoded". */
void archive_path_write(struct jsonw *w, const char *bytes);
/* The bytes percent-encoded as the member `key`. */
void archive_path_write_encoded(struct jsonw *w, const char *key, const char *bytes);

/* Order of a walk: a folder stands before what is in it, and that before any other name. */
int archive_path_compare(const char *a, const char *b);

/* borg's pattern for the path and what is beneath it ("pp:…"), or for it alone ("pf:…"). mem_free.
 */
char *archive_path_pattern(const char *clean, bool alone);

#endif
