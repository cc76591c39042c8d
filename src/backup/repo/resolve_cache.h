/* resolve_cache: answers kept per state of a configuration file. Loop's thread only. */
#ifndef BACKUP_REPO_RESOLVE_CACHE_H
#define BACKUP_REPO_RESOLVE_CACHE_H

#include "backup/repo/resolve.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The file as it is now, and who reads it. */
struct resolve_key {
    char *file;
    dev_t dev;
    ino_t ino;
    off_t size;
    int64_t mtime_ns;
    struct borgmatic_version borgmatic, borg;
};

/* Looks at the file (one stat). False and ERR_NOT_FOUND, ERR_NO_MEMORY; key is then empty. */
bool resolve_key_make(struct resolve_key *key, const struct borgmatic_tools *tools,
                      const char *file, struct err *e);
bool resolve_key_equal(const struct resolve_key *a, const struct resolve_key *b);
void resolve_key_done(struct resolve_key *key);

struct resolve_cache;

struct resolve_cache *resolve_cache_new(void);
void resolve_cache_free(struct resolve_cache *c); /* NULL is a no-op */
/* A new reference, or NULL when nothing fresh is kept. `now` in ms, monotonic. */
struct resolved *resolve_cache_get(struct resolve_cache *c, const struct resolve_key *key,
                                   uint64_t now);
/* Keeps a reference of its own; an older answer for the same file goes, else the least recently
 * used one when all RESOLVE_CACHE places are taken. Without memory nothing is kept. */
void resolve_cache_put(struct resolve_cache *c, const struct resolve_key *key, struct resolved *res,
                       uint64_t now);

#endif
