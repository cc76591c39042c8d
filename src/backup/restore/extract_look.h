/* extract_look: what stands below a folder: how many files, how many bytes. Blocks; links are
 * counted, not followed. */
#ifndef BACKUP_RESTORE_EXTRACT_LOOK_H
#define BACKUP_RESTORE_EXTRACT_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct extract_look {
    int64_t files, bytes, others; /* regular files and their sizes; links, pipes, folders, … */
    bool whole;                   /* false: stopped at EXTRACT_COUNTED, or a folder was not read */
};

/* The descriptor stays the caller's. */
void extract_look(int fd, struct extract_look *out);

#endif
