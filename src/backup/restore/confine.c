#include "backup/restore/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 256, FAILED = 2 };

static int say(const char *what)
{
    (void)fprintf(stderr,
                  "{\"type\": \"log_message\", \"levelname\": \"ERROR\", \"name\": \"confine\", "
                  "\"message\": \"%s\"}\n",
                  what);
    return FAILED;
}

static int is_ours(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

int confine_path_is_safe(void)
{
    struct stat st, below;
    int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int safe = fd >= 0 && fstat(fd, &below) == 0 && is_ours(&below);
    for (int i = 0; safe && i < DEPTH_MAX; i++) {
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)close(fd);
        fd = up;
        if (fd < 0 || fstat(fd, &st) != 0)
            safe = 0;
        else if (st.st_dev == below.st_dev && st.st_ino == below.st_ino)
            break; /* the top */
        else       /* in a sticky folder only the owner of what is in it may rename it */
            safe = is_ours(&st) &&
                   ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (st.st_mode & S_ISVTX) != 0);
        below = st;
    }
    if (fd >= 0)
        (void)close(fd);
    return safe;
}

static int bind_to(const char *folder)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(".", folder, NULL, MS_BIND, NULL) == 0 && chdir(folder) == 0;
}

int confine_main(int argc, char **argv)
{
    if (argc < 3)
        return say("confine is for the daemon's own use");
    if (!bind_to(argv[1]) && !confine_path_is_safe())
        return say("somebody else may rename a folder above the destination, and the system allows "
                   "no mount namespace (CAP_SYS_ADMIN) that would guard against it");
    (void)execv(argv[2], argv + 2);
    char why[256];
    (void)snprintf(why, sizeof why, "the program cannot be started: %s", strerror(errno));
    return say(why);
}
