/* Shared by download.c (how it is sent) and download_look.c (what it is). */
#ifndef BACKUP_RESTORE_DOWNLOAD_INTERNAL_H
#define BACKUP_RESTORE_DOWNLOAD_INTERNAL_H

#include "backup/archives/archive_name.h"
#include "backup/archives/entry.h"
#include "backup/restore/download.h"
#include "backup/restore/download_pace.h"

#include <openssl/evp.h>
#include <uv.h>

enum download_stage {
    DOWNLOAD_NEWEST,  /* asks for the newest archive's name */
    DOWNLOAD_ALONE,   /* looks at the path itself */
    DOWNLOAD_BENEATH, /* there is none: at what lies beneath it */
    DOWNLOAD_MASTER,  /* it is a hard link: at the file it is a link to */
    DOWNLOAD_SEND,
};

enum { DOWNLOAD_DIGEST = 32 };

struct download {
    struct download_sink sink;
    void *sink_arg;
    struct operation *op;
    char *path;
    char archive[ARCHIVE_NAME_MAX + 1]; /* "" until it is known */
    enum download_stage stage;

    struct entry_lines lines;
    size_t entries; /* seen at this stage */
    char type;      /* of the last one */
    bool hard_link;
    int64_t size;  /* of the last one … */
    uint64_t skip; /* … and of those before it under the same path: borg writes them all */
    char *target;  /* of a hard link */
    char *source;  /* the path that borg is asked for, when it is not `path` */
    bool tar;

    uv_timer_t *timer;
    EVP_MD_CTX *hash;
    uint64_t sent;
    struct download_pace pace;
    bool begun, over; /* the sink was begun; it is used no more */
    bool too_slow;
};

/* Starts the look of the present stage. */
bool download_look(struct download *d, struct err *e);
/* What the look that just ended found: goes to the next stage, or false and what is wrong. */
bool download_looked(struct download *d, struct err *e);

#endif
