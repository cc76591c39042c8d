#include "backup/control/control_dir.h"

#include "backup/control/control.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "limits.h"
#include "sys/fsafe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_ROOM = 4096,
    NAME_BYTES = 6,
    DEPTH = 16, /* of what a borgmatic that was killed leaves in its temporary folder */
    OPEN_DIR = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
};

static const char evidence_prefix[] = "evidence-", evidence_suffix[] = ".json";

/* The path of our program for the links; by /proc when the file was replaced since we started,
 * because the socket serves only the very program that listens on it. */
static bool own_program(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0 || (size_t)n >= size - 1)
        return false;
    out[n] = '\0';
    struct stat ours, there;
    if (stat("/proc/self/exe", &ours) != 0)
        return false;
    if (stat(out, &there) != 0 || there.st_dev != ours.st_dev || there.st_ino != ours.st_ino)
        (void)snprintf(out, size, "/proc/%d/exe", (int)getpid());
    return true;
}

static bool make_bin(int dirfd)
{
    char program[PATH_ROOM];
    return own_program(program, sizeof program) && mkdirat(dirfd, "tmp", 0700) == 0 &&
           mkdirat(dirfd, "bin", 0700) == 0 && symlinkat(program, dirfd, "bin/borg") == 0 &&
           symlinkat(program, dirfd, "bin/askpass") == 0;
}

char *control_dir_make(const char *state_dir, struct err *e)
{
    unsigned char bytes[NAME_BYTES];
    char name[2 * NAME_BYTES + 1];
    randombytes_buf(bytes, sizeof bytes);
    (void)sodium_bin2hex(name, sizeof name, bytes, sizeof bytes);
    AUTO_FREE char *run = mem_printf("%s/run", state_dir);
    AUTO_FREE char *dir = run ? mem_printf("%s/%s", run, name) : NULL;
    if (!dir) {
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    int fd = -1;
    if ((mkdir(run, 0700) == 0 || errno == EEXIST) && mkdir(dir, 0700) == 0)
        fd = control_dir_open(dir);
    bool ok = fd >= 0 && make_bin(fd);
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    if (!ok) {
        control_dir_remove(dir);
        (void)err_set(e, ERR_INTERNAL, "cannot make the job's control directory below %s: %s", run,
                      strerror(why));
        return NULL;
    }
    return TAKE(dir);
}

int control_dir_open(const char *dir)
{
    return open(dir, OPEN_DIR);
}

void control_dir_socket(int dirfd, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/s", dirfd);
}

/* The folder in parent when it lies on the device `device` (0: on any), else −1: what is mounted
 * there, such as a snapshot, is not ours to empty. */
static int open_below(int parent, const char *name, dev_t *device)
{
    struct stat st;
    int fd = openat(parent, name, OPEN_DIR);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && (*device == 0 || st.st_dev == *device)) {
        *device = st.st_dev;
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* Empties the directory `name` in parent, `depth` levels of directories deep, and removes it. */
static void remove_below(int parent, const char *name, int depth, dev_t device)
{
    int fd = open_below(parent, name, &device);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    const struct dirent *de;
    while ((de = readdir(d))) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, de->d_name, 0) != 0 && depth > 0)
            remove_below(fd, de->d_name, depth - 1, device);
    }
    (void)closedir(d);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

void control_dir_remove(const char *dir)
{
    if (dir)
        remove_below(AT_FDCWD, dir, DEPTH, 0);
}

void control_sweep(const char *state_dir)
{
    AUTO_FREE char *run = mem_printf("%s/run", state_dir);
    if (!run)
        return;
    DIR *d = opendir(run);
    if (!d)
        return;
    const struct dirent *de;
    while ((de = readdir(d)))
        if (de->d_name[0] != '.')
            remove_below(dirfd(d), de->d_name, DEPTH, 0);
    (void)closedir(d);
}

static void render_evidence(const struct control_evidence *ev, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_begin_object(&w);
    jsonw_kstr(&w, "repository", ev->repository);
    jsonw_kstr(&w, "archive", ev->archive);
    jsonw_kstr(&w, "id", ev->id);
    jsonw_kint(&w, "exit_code", ev->exit_code);
    jsonw_kbool(&w, "finished", true);
    jsonw_end_object(&w);
}

bool control_dir_write_evidence(const char *dir, pid_t pid, const struct control_evidence *ev)
{
    char name[64], temporary[64];
    (void)snprintf(name, sizeof name, "%s%d%s", evidence_prefix, (int)pid, evidence_suffix);
    (void)snprintf(temporary, sizeof temporary, "tmp-%d", (int)pid);
    struct buf b;
    buf_init(&b, CONTROL_EVIDENCE);
    render_evidence(ev, &b);
    int at = control_dir_open(dir);
    int fd =
        at < 0 || b.failed
            ? -1
            : openat(at, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && fsafe_write_all(fd, b.p, b.n);
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    if (ok)
        ok = renameat(at, temporary, at, name) == 0;
    if (!ok && at >= 0)
        (void)unlinkat(at, temporary, 0);
    if (at >= 0)
        (void)close(at);
    buf_done(&b);
    return ok;
}

static json_t *read_evidence(int dirfd, const char *name)
{
    struct buf b;
    buf_init(&b, CONTROL_EVIDENCE);
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && buf_append(&b, chunk, (size_t)n))
        ;
    (void)close(fd);
    json_t *j = n == 0 && !b.failed ? json_parse(buf_str(&b), b.n, NULL) : NULL;
    buf_done(&b);
    return j;
}

static bool is_evidence(const char *name)
{
    size_t n = strlen(name), s = sizeof evidence_suffix - 1;
    return strncmp(name, evidence_prefix, sizeof evidence_prefix - 1) == 0 && n > s &&
           strcmp(name + n - s, evidence_suffix) == 0;
}

void control_evidence(const char *dir,
                      void (*each)(void *arg, const char *repository, const char *archive,
                                   const char *id, int exit_code),
                      void *arg)
{
    int fd = control_dir_open(dir);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    const struct dirent *de;
    while ((de = readdir(d))) {
        json_t *j = is_evidence(de->d_name) ? read_evidence(fd, de->d_name) : NULL;
        const char *archive = json_get_str(j, "archive", NULL);
        const char *id = json_get_str(j, "id", NULL);
        if (archive && id && json_get_bool(j, "finished", false))
            each(arg, json_get_str(j, "repository", ""), archive, id,
                 (int)json_get_int(j, "exit_code", 0));
        json_decref(j);
    }
    (void)closedir(d);
}
