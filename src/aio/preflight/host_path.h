/* host_path: a folder of the host (a backup target, a volume's folder) as it can be seen from here,
 * and whether it lies on a disk of its own.
 *
 * AIO names paths of the host, and Docker makes a folder that is missing: a drive that is not
 * mounted is then a folder of the root disk in disguise. We may run on the host, in a container
 * that has the host's root at AIO_HOST_ROOT, or in one that has only some of its folders, mounted
 * at their own paths. Blocks (a look at disks); any thread. */
#ifndef AIO_PREFLIGHT_HOST_PATH_H
#define AIO_PREFLIGHT_HOST_PATH_H

#include "aio/context.h"
#include "sys/mountinfo.h"

#include <stdbool.h>

enum host_sight {
    HOST_HIDDEN, /* cannot be seen from here */
    HOST_ABSENT, /* there is no such folder */
    HOST_SEEN
};
enum host_disk { HOST_DISK_UNKNOWN, HOST_DISK_ROOT, HOST_DISK_OWN };

struct host_place {
    enum host_sight sight;
    enum host_disk disk;
    int fd; /* the folder (O_PATH), or −1 */
};

/* `whole`: host_root shows the host's whole file tree (host_path_is_whole). Links are followed
 * within it. */
void host_path_open(const struct aio_context *x, bool whole, const char *path,
                    struct host_place *out);
void host_path_close(struct host_place *p);
/* Proof that host_root shows the host's tree: a folder that the Engine says it has is there, and
 * was not mounted for us alone. */
bool host_path_is_whole(const struct aio_context *x, const char *folder_of_engine);

/* Pure: which disk, given the mount that covers the folder and the one that covers host_root. A
 * folder that is mounted for us alone tells by the mount's root: of the root disk it has the
 * folder's own path. HOST_DISK_UNKNOWN where it is no folder of the host's at all. */
enum host_disk host_path_judge(bool whole, const char *path, const struct mountinfo *covers,
                               const struct mountinfo *root);

#endif
