/* download: a plan that sends one file of an archive, or a folder as a tar, as borg writes it.
 *
 * Nothing touches the disk. First the entry is looked at (so that what cannot be sent is refused
 * before anything was answered), then borg writes and the sink takes; a sink that is full pauses
 * borg, so memory does not grow. Bytes are counted and hashed (SHA-256) for the job's record. What
 * ends badly after the first byte makes the sink break off; a reader that takes too little for too
 * long is given up (DOWNLOAD_SLOW_*). Loop's thread only. */
#ifndef BACKUP_RESTORE_DOWNLOAD_H
#define BACKUP_RESTORE_DOWNLOAD_H

#include "backup/run/operation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct download;

struct download_head {
    const char *path; /* bytes, clean; "" is the whole archive */
    const char *archive;
    bool tar;
    int64_t size; /* of a file, else −1 */
};

struct download_sink {
    /* It begins: true when somebody is there to take it. */
    bool (*begin)(void *arg, struct job *j, const struct download_head *h);
    /* At most CHILD_READ bytes. False: no more until download_drained. */
    bool (*write)(void *arg, const char *p, size_t n);
    void (*end)(void *arg);   /* all was sent; no call follows but free */
    void (*abort)(void *arg); /* it breaks off; no call follows but free */
    void (*free)(void *arg);
};

struct download_spec {
    const char *archive; /* a name, or NULL: the newest; copied */
    const char *path;    /* clean; copied */
    const struct download_sink *sink;
    void *arg; /* the sink's; freed with the plan, also when download_new fails */
};

/* The plan's data; NULL when memory is gone. */
struct download *download_new(const struct download_spec *spec);
extern const struct operation_plan download_plan;

/* From the sink: it can take more; whoever took it has gone (the sink is then used no more). */
void download_drained(struct download *d);
void download_gone(struct download *d);

#endif
