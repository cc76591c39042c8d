/* What the parts of config_file share. */
#ifndef AIO_CONFIG_CONFIG_FILE_INTERNAL_H
#define AIO_CONFIG_CONFIG_FILE_INTERNAL_H

#include "aio/config/config_file.h"

#include <jansson.h>

#define CONFIG_KEY_LOCAL "borg_backup_host_location"
#define CONFIG_KEY_REMOTE "borg_remote_repo"

/* The two keys of a parsed file; one that is absent or null is empty, as AIO takes it. False when
 * one is no string or too long. */
bool config_file_target(const json_t *root, struct aio_target *out, struct err *e);
/* The folder of the file (the caller closes it) and its name in it, which points into `path`; −1
 * and an error of config_file_read. */
int config_file_folder(const char *path, const char **name, struct err *e);
/* The file's text and what it means; waits a moment for one that is just being written in place. A
 * new reference, or NULL and an error of config_file_read. The text holds secrets. */
json_t *config_file_load(int dir, const char *name, struct buf *text, struct stat *st,
                         struct err *e);

#endif
