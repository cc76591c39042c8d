/* tree: a folder of our own with all that is below it: walked, removed.
 *
 * For folders that only we may write to: names are used as paths. Links are not followed. Blocks:
 * worker threads only, unless nothing else runs yet. */
#ifndef SYS_TREE_H
#define SYS_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

/* Calls `each` for everything below `root` that is no folder; `rel` is the path below it. Folders
 * are left after what is in them: then `each` gets them too. False when a folder could not be read
 * or `each` said false, which ends the walk. */
bool tree_walk(const char *root,
               bool (*each)(void *arg, const char *path, const char *rel, const struct stat *st),
               void *arg);
/* Removes `root` and all below it. False when something is left; true when there is nothing. */
bool tree_remove(const char *root);

#endif
