/* config_candidate: what a file would be if the configuration that was sent became it, or why it
 * may not. Reads files: worker threads only. */
#ifndef BACKUP_CONFIGS_CONFIG_CANDIDATE_H
#define BACKUP_CONFIGS_CONFIG_CANDIDATE_H

#include "backup/configs/config_files.h"
#include "backup/configs/config_mask.h"

struct config_wish {
    char *dir, *label;
    struct buf text; /* as it was sent, masks in it */
    bool overwrite;
    bool code;      /* what runs programs is allowed */
    char *if_match; /* header's value, or NULL */
    char *if_none_match;
};

struct config_candidate {
    char path[PATH_MAX];
    const char *name;       /* last part of the path */
    bool created;           /* there is no such file yet */
    char etag[CONFIG_ETAG]; /* of the file as it is, "" when there is none */
    mode_t mode;
    uid_t uid; /* whose the file is, when there is one */
    gid_t gid;
    struct buf text;          /* masked values put back */
    struct config_mask *mask; /* of that text */
};

/* Owns copies. False: no memory. */
bool config_wish_init(struct config_wish *w, const char *dir, const char *label, const char *text,
                      size_t n);
void config_wish_done(struct config_wish *w); /* wipes */

/* ERR_PRECONDITION, ERR_ALREADY_EXISTS, ERR_DISABLED, ERR_BAD_REQUEST, ERR_UNAVAILABLE,
 * ERR_NO_MEMORY. */
struct config_candidate *config_candidate_make(const struct config_wish *w, struct err *e);
void config_candidate_free(struct config_candidate *c); /* wipes; NULL is a no-op */
/* True when an etag is named in an If-Match list ("*" names each). */
bool config_etag_in(const char *list, const char *etag);

#endif
