#include "backup/control/shim_env.h"

#include "backup/control/shim_args.h"
#include "base/mem.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wipe(const char *name)
{
    char *value = getenv(name);
    if (value)
        sodium_memzero(value, strlen(value));
    (void)unsetenv(name);
}

/* The descriptor that BORG_PASSPHRASE_FD names, or −1. The first three are never a passphrase. */
static int passphrase_fd(void)
{
    const char *text = getenv("BORG_PASSPHRASE_FD");
    char *end;
    long fd = text ? strtol(text, &end, 10) : -1;
    if (fd < 3 || fd > 65535 || *end || end == text || fcntl((int)fd, F_GETFD) < 0)
        return -1;
    return (int)fd;
}

/* Reads what is there, at most `size` bytes, without ever waiting long for a writer. */
static size_t drain(int fd, char *out, size_t size)
{
    size_t n = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (n < size && poll(&ready, 1, 1000) > 0) {
        ssize_t r = read(fd, out + n, size - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    return n;
}

bool shim_env_give_passphrase(int fd)
{
    char scrap[LIMIT_SECRET], number[16];
    int old = passphrase_fd();
    if (old >= 0 && old != fd) {
        (void)drain(old, scrap, sizeof scrap);
        sodium_memzero(scrap, sizeof scrap);
        (void)close(old);
    }
    wipe("BORG_PASSPHRASE");
    wipe("BORG_PASSCOMMAND");
    (void)snprintf(number, sizeof number, "%d", fd);
    return setenv("BORG_PASSPHRASE_FD", number, 1) == 0;
}

struct secret *shim_env_read_passphrase(void)
{
    char bytes[LIMIT_SECRET];
    const char *text = getenv("BORG_PASSPHRASE");
    size_t n = text ? strnlen(text, sizeof bytes) : 0;
    if (!text) {
        int fd = getenv("BORG_PASSCOMMAND") ? -1 : passphrase_fd();
        if (fd < 0)
            return NULL;
        n = drain(fd, bytes, sizeof bytes);
        while (n && bytes[n - 1] == '\n') /* as borg does */
            n--;
        text = bytes;
    }
    struct secret *s = secret_new(text, n);
    sodium_memzero(bytes, sizeof bytes);
    wipe("BORG_PASSPHRASE");
    return s;
}

static bool is_listed(const char *entry)
{
    const char *end = strchr(entry, '=');
    if (!end || strncmp(entry, "BORG_", 5) != 0)
        return false;
    return memmem(entry, (size_t)(end - entry), "PASSPHRASE", 10) == NULL;
}

const char **shim_env_list(void)
{
    size_t n = 0;
    for (char **e = environ; *e; e++)
        n += is_listed(*e);
    const char **list = mem_zalloc((n + 1) * sizeof *list);
    if (!list)
        return NULL;
    n = 0;
    for (char **e = environ; *e; e++)
        if (is_listed(*e))
            list[n++] = *e;
    return list;
}

void shim_env_complete(char *const *argv)
{
    if (!shim_args_mounts(shim_args_command(argv)))
        (void)setenv("BORG_FUSE_IMPL", "none", 0);
    AUTO_FREE char *rsh = shim_args_rsh(getenv("BORG_RSH"));
    if (rsh)
        (void)setenv("BORG_RSH", rsh, 1);
    (void)setenv("LC_ALL", "C.UTF-8", 0);
    /* Whoever started the job has agreed to a repair. Only a borg of borgmatic's own comes here, so
     * that the hooks' borgs still ask. */
    if (getenv(SHIM_ENV_REPAIR))
        (void)setenv("BORG_CHECK_I_KNOW_WHAT_I_AM_DOING", "YES", 1);
    (void)unsetenv(SHIM_ENV_REPAIR);
}
