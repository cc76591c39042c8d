#include "sys/procfs.h"

#include "base/buf.h"
#include "base/mem.h"
#include "limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_ROOM = 64, STAT_ROOM = 2048, ENVIRON_MAX = 256 * 1024 };

static bool read_small(pid_t pid, const char *name, struct buf *out)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (!buf_append(out, chunk, (size_t)n))
            break;
    (void)close(fd);
    return n >= 0;
}

/* The fields after the program's name, which may itself hold blanks and brackets. */
static const char *stat_fields(pid_t pid, struct buf *b)
{
    buf_init(b, STAT_ROOM);
    (void)read_small(pid, "stat", b);
    const char *end = strrchr(buf_str(b), ')');
    return end && end[1] == ' ' ? end + 2 : NULL;
}

pid_t procfs_parent(pid_t pid)
{
    struct buf b;
    const char *f = stat_fields(pid, &b);
    pid_t parent = 0;
    if (f && f[0] && f[1] == ' ')
        parent = (pid_t)strtol(f + 2, NULL, 10);
    buf_done(&b);
    return parent;
}

static bool is_zombie(pid_t pid)
{
    struct buf b;
    const char *f = stat_fields(pid, &b);
    bool zombie = !f || f[0] == 'Z' || f[0] == 'X';
    buf_done(&b);
    return zombie;
}

/* False: the kernel's own, or it ends: there is no memory. *in_exec: one program is just taking
 * another's place (proc(5), stat: vsize, and env_end, which execve sets last). At the very end it
 * looks for a moment like one that was started without an environment. */
static bool has_memory(pid_t pid, bool *in_exec)
{
    enum { FIRST = 3, VSIZE = 23, ENV_END = 51 };
    struct buf b;
    unsigned long long value[ENV_END + 1] = {0};
    const char *f = stat_fields(pid, &b);
    for (int n = FIRST; f && n <= ENV_END; n++) {
        value[n] = strtoull(f, NULL, 10);
        f = strchr(f, ' ');
        f = f ? f + 1 : NULL;
    }
    buf_done(&b);
    *in_exec = value[ENV_END] == 0;
    return value[VSIZE] > 0;
}

bool procfs_is_our_program(pid_t pid)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    struct stat theirs, ours;
    return stat(path, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

void procfs_program(pid_t pid, char *out, size_t size)
{
    char path[PATH_ROOM], target[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    (void)snprintf(out, size, "%s", slash ? slash + 1 : target);
}

static bool last_part_is(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

bool procfs_runs(pid_t pid, const char *name)
{
    struct buf b;
    buf_init(&b, ENVIRON_MAX);
    (void)read_small(pid, "cmdline", &b);
    bool runs = false;
    if (b.n) {
        size_t first = strlen(b.p) + 1; /* argv[1], a script when argv[0] is its interpreter */
        runs = last_part_is(b.p, name) || (first < b.n && last_part_is(b.p + first, name));
    }
    buf_wipe(&b); /* an argument of somebody else's may be secret */
    return runs && !procfs_is_our_program(pid);
}

/* What a Python was given to run, after its options. */
static const char *python_script(const struct buf *b, size_t at)
{
    while (at < b->n && b->p[at] == '-') {
        bool module = strcmp(b->p + at, "-m") == 0;
        at += strlen(b->p + at) + 1;
        if (module)
            break;
    }
    return at < b->n ? b->p + at : "";
}

bool procfs_is_program(pid_t pid, const char *name)
{
    char program[256];
    struct buf b;
    buf_init(&b, ENVIRON_MAX);
    (void)read_small(pid, "cmdline", &b);
    bool is = b.n && last_part_is(b.p, name);
    if (b.n && !is) {
        procfs_program(pid, program, sizeof program);
        is = strncmp(program, "python", 6) == 0 &&
             last_part_is(python_script(&b, strlen(b.p) + 1), name);
    }
    buf_wipe(&b);
    return is && !procfs_is_our_program(pid);
}

bool procfs_env_value(pid_t pid, const char *name, char *out, size_t size)
{
    struct buf b;
    buf_init(&b, ENVIRON_MAX);
    (void)read_small(pid, "environ", &b);
    size_t len = strlen(name);
    bool found = false;
    for (size_t at = 0; at < b.n && !found;) {
        size_t n = strnlen(b.p + at, b.n - at);
        found = n > len && b.p[at + len] == '=' && memcmp(b.p + at, name, len) == 0;
        if (found)
            (void)snprintf(out, size, "%.*s", (int)(n - len - 1), b.p + at + len + 1);
        at += n + 1;
    }
    buf_wipe(&b);
    return found;
}

void procfs_each(void (*each)(void *arg, pid_t pid), void *arg)
{
    DIR *d = opendir("/proc");
    const struct dirent *de;
    while (d && (de = readdir(d))) {
        char *end;
        long pid = strtol(de->d_name, &end, 10);
        if (!*end && pid > 0)
            each(arg, (pid_t)pid);
    }
    if (d)
        (void)closedir(d);
}

/* *empty: the environment could be read, and nothing is in it. */
static bool look_for_env(pid_t pid, const char *entry, bool *empty)
{
    struct buf b;
    buf_init(&b, ENVIRON_MAX);
    bool found = false;
    *empty = read_small(pid, "environ", &b) && !b.n;
    size_t len = strlen(entry);
    for (size_t at = 0; at < b.n && !found;) {
        size_t n = strnlen(b.p + at, b.n - at);
        found = n == len && memcmp(b.p + at, entry, n) == 0;
        at += n + 1;
    }
    buf_wipe(&b);
    return found;
}

/* What reads as empty may be so for a moment only. *pauses: how many are left for this search. */
static bool has_env(pid_t pid, const char *entry, int *pauses)
{
    bool empty, in_exec;
    int looks_in_exec = 0, looks_empty = 0;
    while (!look_for_env(pid, entry, &empty)) {
        if (!empty || !has_memory(pid, &in_exec))
            return false;
        int *looks = in_exec ? &looks_in_exec : &looks_empty;
        if (++*looks > (in_exec ? PROCFS_EXEC_LOOKS : PROCFS_EMPTY_LOOKS) || --*pauses < 0)
            return false;
        (void)poll(NULL, 0, PROCFS_LOOK_MS); /* on a worker thread, or before the loop runs */
    }
    return true;
}

size_t procfs_find_env(const char *entry, pid_t *out, size_t max)
{
    DIR *d = opendir("/proc");
    if (!d)
        return 0;
    size_t n = 0;
    int pauses = PROCFS_PAUSES;
    const struct dirent *de;
    while (n < max && (de = readdir(d))) {
        char *end;
        long pid = strtol(de->d_name, &end, 10);
        if (*end || pid <= 0 || pid == getpid())
            continue;
        if (has_env((pid_t)pid, entry, &pauses) && !is_zombie((pid_t)pid))
            out[n++] = (pid_t)pid;
    }
    (void)closedir(d);
    return n;
}

bool procfs_signal_env(pid_t pid, const char *entry, int signal)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return false;
    int pauses = PROCFS_PAUSES;
    bool sent =
        has_env(pid, entry, &pauses) && syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) == 0;
    (void)close(fd);
    return sent;
}

struct scan {
    uv_work_t work;
    char *entry;
    int signal;
    pid_t pids[PROCFS_FOUND_MAX];
    size_t n;
    void (*found)(void *, const pid_t *, size_t);
    void *arg;
};

static void scan_work(uv_work_t *w)
{
    struct scan *s = w->data;
    s->n = procfs_find_env(s->entry, s->pids, PROCFS_FOUND_MAX);
    for (size_t i = 0; s->signal && i < s->n; i++)
        (void)procfs_signal_env(s->pids[i], s->entry, s->signal);
}

static void scan_done(uv_work_t *w, int status)
{
    struct scan *s = w->data;
    s->found(s->arg, s->pids, s->n);
    mem_free(s->entry);
    mem_free(s);
}

bool procfs_scan(uv_loop_t *loop, const char *entry, int signal,
                 void (*found)(void *arg, const pid_t *pids, size_t n), void *arg)
{
    struct scan *s = mem_zalloc(sizeof *s);
    if (!s)
        return false;
    s->work.data = s;
    s->signal = signal;
    s->found = found;
    s->arg = arg;
    s->entry = mem_strdup(entry);
    if (!s->entry || uv_queue_work(loop, &s->work, scan_work, scan_done) != 0) {
        mem_free(s->entry);
        mem_free(s);
        return false;
    }
    return true;
}
