/* tree: one page of what lies beneath a folder of an archive, from its listing as it comes.
 *
 * Entries down to `depth` are kept, in the order of a walk, at most `limit` of them and TREE_BYTES
 * of names, those that come first after `after`; so the memory does not grow with the archive.
 * Folders that the archive holds no entry of its own for are made up from what is beneath them. Of
 * two entries with one path the later one counts, as it does when borg extracts. Pure. */
#ifndef BACKUP_ARCHIVES_TREE_H
#define BACKUP_ARCHIVES_TREE_H

#include "backup/archives/entry.h"
#include "base/jsonw.h"

#include <stdbool.h>
#include <stddef.h>

struct tree;

struct tree_page {
    const char *path;  /* clean (archive_path.h); "" is the root; copied */
    const char *after; /* the last path of the page before, or NULL; copied */
    unsigned depth;    /* 1: what is in the folder itself */
    size_t limit;      /* 1 to TREE_ENTRIES */
};

struct tree *tree_new(const struct tree_page *page); /* NULL when memory is gone */
void tree_free(struct tree *t);                      /* NULL is a no-op */
/* For entry_lines; what lies elsewhere is left out. */
void tree_add(void *tree, const struct entry *e);
bool tree_failed(const struct tree *t); /* memory was gone */
/* Something is at the path, or beneath it. The root is always there. */
bool tree_found(const struct tree *t);
size_t tree_count(const struct tree *t);
/* Writes the members "entry" (the path itself; null when the archive holds none of its own),
 * "entries" and "cursor" (null on the last page). */
void tree_write(const struct tree *t, struct jsonw *w);

#endif
