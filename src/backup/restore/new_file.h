/* new_file: a file that is written on a worker as its bytes come, and that nobody sees before it is
 * whole.
 *
 * It is made without a name where the file system can do that (else under a hidden one), mode 0600,
 * in a folder that is already open; its name is given at the end, never over anything. Given up, it
 * leaves nothing. Loop's thread; the callbacks never run from inside a call. */
#ifndef BACKUP_RESTORE_NEW_FILE_H
#define BACKUP_RESTORE_NEW_FILE_H

#include "backup/restore/destination.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct new_file;

struct new_file_cb {
    void (*ready)(void *arg); /* it is open, or takes bytes again after new_file_write said no */
    void (*whole)(void *arg); /* after new_file_commit: it is durable and has its name */
    /* Once, then nothing more: ERR_NO_SPACE, ERR_ALREADY_EXISTS, ERR_BAD_REQUEST on the field,
     * ERR_COMMAND_FAILED. */
    void (*failed)(void *arg, const struct err *e);
};

/* Opens it on a worker. `d` is taken (its fd is −1 afterwards): a DESTINATION_FILE. `expected`:
 * bytes that must be free there, 0: unknown. `field` (static) is named in refusals. NULL when
 * memory is gone; d is dropped then. */
struct new_file *new_file_open(uv_loop_t *loop, struct destination *d, int64_t expected,
                               const char *field, const struct new_file_cb *cb, void *arg);
/* Takes all n bytes, at most NEW_FILE_QUEUE / 2. False: that is enough, wait for `ready`. Who goes
 * on gets a failure. */
bool new_file_write(struct new_file *f, const void *p, size_t n);
void new_file_commit(struct new_file *f);
/* No callback runs any more; what is not whole goes. NULL is a no-op. */
void new_file_free(struct new_file *f);

#endif
