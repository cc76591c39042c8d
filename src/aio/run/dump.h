/* dump: is the database's dump clean after the stack was stopped?
 *
 * An outside backup of the volumes is worth nothing without it: AIO's database container dumps when
 * it is stopped, and only a stop with its own long grace lets it end. Clean means: the container
 * ended with 0, its dump is not marked as failed (export.failed), and the dump's file is of this
 * stop. Blocks (two looks at files); a task's thread. */
#ifndef AIO_RUN_DUMP_H
#define AIO_RUN_DUMP_H

#include "aio/look/look.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `dump_dir`: AIO_DUMP_DIR. `stopped_ms`: when the stop began; 0: the database had not run before,
 * and the dump must be of its last time. False when it cannot be known; `problem` says why not
 * clean, or why not known, else "". */
bool aio_dump_look(const char *dump_dir, const struct aio_container *database, int64_t stopped_ms,
                   bool *clean, char *problem, size_t size);

#endif
