#include "backup/restore/extract_look.h"

#include "limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACE = O_RDONLY | O_DIRECTORY | O_NOFOLLOW };

static void walk(int fd, struct extract_look *out, unsigned depth);

static void look_at(int fd, const char *name, struct extract_look *out, unsigned depth)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        out->whole = false;
        return;
    }
    if (S_ISREG(st.st_mode)) {
        out->files++;
        out->bytes += st.st_size;
        return;
    }
    out->others++;
    if (S_ISDIR(st.st_mode))
        walk(openat(fd, name, PLACE | O_CLOEXEC), out, depth + 1);
}

/* Takes the descriptor. */
static void walk(int fd, struct extract_look *out, unsigned depth)
{
    DIR *d = fd >= 0 && depth < EXTRACT_DEPTH ? fdopendir(fd) : NULL;
    if (!d) {
        out->whole = false;
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    for (const struct dirent *one = readdir(d); one; one = readdir(d)) {
        if (out->files + out->others >= EXTRACT_COUNTED) {
            out->whole = false;
            break;
        }
        if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0)
            look_at(fd, one->d_name, out, depth);
    }
    (void)closedir(d);
}

void extract_look(int fd, struct extract_look *out)
{
    *out = (struct extract_look){.whole = true};
    walk(openat(fd, ".", PLACE | O_CLOEXEC), out, 0);
}
