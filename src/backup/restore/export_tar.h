/* export_tar: a plan that writes an archive, or some paths of it, as a tar file.
 *
 * First borg lists what is asked for: a path that is not in the archive, or a disk that is too
 * small, ends the job before a byte is written. Then borg writes to us and we to a new file
 * (new_file): whatever goes wrong, no part of it is left. The result's entry has "archive",
 * "destination", "files", "bytes" and "sha256". Loop's thread only. */
#ifndef BACKUP_RESTORE_EXPORT_TAR_H
#define BACKUP_RESTORE_EXPORT_TAR_H

#include "backup/restore/destination.h"
#include "backup/run/operation.h"

#include <jansson.h>

enum export_filter { EXPORT_PLAIN, EXPORT_GZIP, EXPORT_ZSTD };

struct export_spec {
    struct destination *destination; /* DESTINATION_FILE; taken: fd is −1 afterwards */
    const char *archive;             /* copied; NULL: the newest */
    char *const *paths;              /* clean; NULL-terminated, or NULL: everything; copied */
    int64_t strip_components;
    enum export_filter filter; /* borg runs gzip or zstd, as they are found in PATH */
};

/* The plan's data; NULL when memory is gone (the destination is then dropped). */
void *export_tar_new(uv_loop_t *loop, const struct export_spec *spec);
extern const struct operation_plan export_tar_plan;

#endif
