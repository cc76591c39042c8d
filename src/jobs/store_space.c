/* The reserve of disk space: a file that is given back when the disk is full, so that what must
 * land still does. While it is not held, new jobs and lines are refused: they would eat it. */
#include "jobs/store_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room that must be left beside the reserve before it is taken again, else the first lines would
 * fill the disk once more at once. */
enum { SPACE_MARGIN = 1024 * 1024 };

bool space_open(struct store *s, struct err *e)
{
    AUTO_FREE char *path = mem_printf("%s/ballast", s->set.dir);
    if (!path)
        return err_set(e, ERR_NO_MEMORY, "memory is gone");
    s->ballast_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->ballast_fd < 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    struct stat st;
    s->reserve = fstat(s->ballast_fd, &st) == 0 && st.st_size == STORE_BALLAST &&
                 (long long)st.st_blocks * 512 >= STORE_BALLAST;
    return true;
}

void space_close(struct store *s)
{
    if (s->ballast_fd >= 0)
        (void)close(s->ballast_fd);
    s->ballast_fd = -1;
}

void space_release(struct store *s)
{
    s->reserve = false;
    atomic_store(&s->full, true);
    s->retake_at = uv_hrtime() + STORE_RETAKE_MS * 1000000ULL;
    (void)!ftruncate(s->ballast_fd, 0);
}

void space_take(struct store *s)
{
    if (s->reserve)
        return;
    if (posix_fallocate(s->ballast_fd, 0, STORE_BALLAST + SPACE_MARGIN) == 0 &&
        ftruncate(s->ballast_fd, STORE_BALLAST) == 0) {
        s->reserve = true;
        atomic_store(&s->full, false);
    } else {
        space_release(s);
    }
}
