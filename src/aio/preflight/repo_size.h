/* repo_size: how large borg's repository is, and how much of it is new. Reads names and sizes only.
 * Blocks; a task's thread. */
#ifndef AIO_PREFLIGHT_REPO_SIZE_H
#define AIO_PREFLIGHT_REPO_SIZE_H

#include <stdbool.h>

struct repo_size {
    unsigned long long all, since; /* bytes of its segments; of those changed since then */
};
/* `repo`: the repository's folder, open for reading; `since` Unix seconds. False when it cannot be
 * read to its end within `ms`. */
bool repo_size(int repo, long long since, unsigned ms, struct repo_size *out);

#endif
