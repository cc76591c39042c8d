/* archive_items: what `borg list` says of an archive's items, as a stream of records.
 *
 * The records end in NUL, because a name may hold everything else. borg writes '?' for each byte of
 * a name that is no UTF-8: such a name is only known so far (archive_items_shown). Pure. */
#ifndef BACKUP_ARCHIVE_ITEMS_H
#define BACKUP_ARCHIVE_ITEMS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For --format: the record of archive_item_parse. */
#define ARCHIVE_ITEMS_FORMAT "--format={mode} {size} {isomtime} {path}{NUL}"
/* … and of archive_item_hash. */
#define ARCHIVE_ITEMS_HASHES "--format={sha256} {path}{NUL}"

struct archive_item {
    char type; /* as in ls: '-', 'd', 'l', 'p', …; 'h': a further name of a file */
    int64_t size;
    int64_t mtime_us; /* since 1970, UTC */
    const char *path; /* borrowed from the record */
};

struct archive_items {
    struct buf rest; /* of the record that has not ended */
    bool too_long;   /* a record passed LIMIT_ITEM: what follows is not trusted */
    void (*on_record)(void *arg, const char *record);
    void *arg;
};

void archive_items_init(struct archive_items *s, void (*on_record)(void *arg, const char *record),
                        void *arg);
void archive_items_feed(struct archive_items *s, const char *p, size_t n);
/* Nothing is left half said. */
bool archive_items_whole(const struct archive_items *s);
void archive_items_done(struct archive_items *s);

/* False when the record is not of the form. */
bool archive_item_parse(const char *record, struct archive_item *out);
/* "HEX PATH": hex gets 64 digits and a NUL. */
bool archive_item_hash(const char *record, char hex[65], const char **path);

/* A name of this machine as borg would show it: '?' for each byte that is no UTF-8. mem_free. */
char *archive_items_shown(const char *name);
/* The pattern that selects the file with this (shown) path and no other that is shown otherwise:
 * "pp:…", or where '?' is in it a regular expression. mem_free. */
char *archive_items_pattern(const char *path);

#endif
