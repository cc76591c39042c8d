/* What the parts of target share: the journal as a whole, and AIO's two files beside
 * configuration.json. */
#ifndef AIO_TARGET_TARGET_INTERNAL_H
#define AIO_TARGET_TARGET_INTERNAL_H

#include "aio/target/target.h"

#include <sys/stat.h>

enum { TARGET_TEMPORARIES = 8 }; /* targets of one downtime: AIO_TARGETS_MAX of aio/run/run.h */

enum target_phase {
    PHASE_SWITCHING, /* AIO's files may be the original's or the intended target's */
    PHASE_SWITCHED,  /* they are the intended target's */
    PHASE_KEPT,      /* what is to be kept of it is kept */
    PHASE_PUT_BACK
};

enum { FILE_BORG_CONFIG, FILE_LIST, TARGET_FILES };

struct journal {
    struct target_journal j;
    enum target_phase phase;
    struct aio_target temporary[TARGET_TEMPORARIES]; /* all but the original that were set */
    size_t temporary_count;
    struct stat as[TARGET_FILES]; /* owner and mode of AIO's files, as they were */
    bool saved[TARGET_FILES];     /* there is a copy: AIO had the file */
};

/* The folders, open, or −1: STATE_DIR/aio, made when absent, and AIO's. */
struct places {
    int own, aio;
};
bool places_open_own(const struct aio_context *x, struct places *p, struct err *e);
bool places_open_aio(const struct aio_context *x, struct places *p, struct err *e);
void places_close(struct places *p);

/* ---- journal ---- */
/* ERR_NOT_FOUND, ERR_UNAVAILABLE. */
bool journal_load(const struct places *p, struct journal *g, struct err *e);
/* Durable. `fresh`: ERR_TARGET_SWITCHED when there is one. */
bool journal_store(const struct places *p, const struct journal *g, bool fresh, struct err *e);
/* First the journal, then the copies. */
bool journal_drop(const struct places *p, struct err *e);
bool journal_there(const struct places *p);

/* ---- AIO's files ---- */
/* Copies it, or notes that there is none. */
bool file_save(const struct places *p, struct journal *g, int which, struct err *e);
/* Puts the copy back with owner and mode, or takes the file away when there was none. */
bool file_restore(const struct places *p, const struct journal *g, int which, struct err *e);
bool file_there(const struct places *p, int which);
/* Keeps AIO's file as that target's, if there is one. */
bool file_keep(const struct places *p, const struct aio_target *t, int which, struct err *e);
/* Puts in place what was kept of that target; else there is none. */
bool file_place(const struct places *p, const struct journal *g, const struct aio_target *t,
                int which, struct err *e);
/* An empty borg.config for that target unless one is kept. */
bool file_keep_empty(const struct places *p, const struct aio_target *t, struct err *e);
/* The name of the copy in our folder; static. */
const char *file_copy_name(int which);

#endif
