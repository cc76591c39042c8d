/* verdict_file: which file one of borg's warnings is about. Pure. */
#ifndef BACKUP_CREATE_VERDICT_FILE_H
#define BACKUP_CREATE_VERDICT_FILE_H

#include <stddef.h>

/* "missing", "changed", "denied", "io_error" or "error", and in *path_len how much of `text` is the
 * path it begins with; NULL when the warning names no file. */
const char *verdict_file_reason(const char *text, size_t *path_len);

#endif
