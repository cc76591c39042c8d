/* The checks of a remote target: its host answers, and its key is known to AIO. */
#include "aio/preflight/preflight_internal.h"

#include "backup/ssh/known_hosts.h"
#include "base/buf.h"
#include "limits.h"
#include "sys/fsafe.h"
#include "sys/tcp_connect.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SSH_PORT = 22, HOST = 254 };

/* "ssh://user@host[:port]/path" or "user@host:path"; borg's own form of a path has no port. */
static bool host_and_port(const char *repo, char host[HOST], int *port)
{
    bool url = strncmp(repo, "ssh://", 6) == 0;
    const char *from = url ? repo + 6 : repo;
    size_t n = strcspn(from, "/");
    const char *at = memrchr(from, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - from);
        from = at + 1;
    }
    bool literal = *from == '[';
    const char *end = literal ? memchr(from, ']', n) : from + strcspn(from, ":/");
    if (!end)
        return false;
    from += literal;
    size_t len = (size_t)(end - from);
    if (len == 0 || len >= HOST)
        return false;
    (void)snprintf(host, HOST, "%.*s", (int)len, from);
    end += literal;
    *port = url && *end == ':' && end[1] != '/' ? (int)strtol(end + 1, NULL, 10) : SSH_PORT;
    return *port > 0 && *port < 65536;
}

void check_target_reachable(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++) {
        char host[HOST];
        int port;
        struct err e = {0};
        const char *repo = s->targets[i].target->remote_repo;
        if (!repo[0] || !host_and_port(repo, host, &port))
            continue;
        int fd = tcp_connect(host, port, PREFLIGHT_CONNECT_MS, -1, &e);
        if (fd >= 0)
            preflight_say(s, PREFLIGHT_OK, "%.150s answers at port %d", host, port);
        else
            preflight_trouble(s, PREFLIGHT_FAILED,
                              "see that the host runs and can be reached from this machine",
                              "%.200s", e.msg);
        if (fd >= 0)
            (void)close(fd);
    }
}

/* ---- the host's key, in the volume that is borgbackup's home ---- */

enum knows { HIDDEN, NOT_KNOWN, KNOWN };

static enum knows look_in(int folder, const char *name)
{
    struct buf text;
    struct err e = {0};
    struct known_line line;
    size_t at = 0;
    bool found = false;
    buf_init(&text, KNOWN_HOSTS_FILE);
    bool ok = fsafe_read(folder, "known_hosts", &text, NULL, &e);
    while (ok && !found && known_hosts_line(buf_str(&text), text.n, &at, &line))
        found = line.entry && known_hosts_names(&line, name);
    buf_done(&text);
    return found ? KNOWN : ok || e.code == ERR_NOT_FOUND ? NOT_KNOWN : HIDDEN;
}

static enum knows look(struct preflight_state *s, const char *name)
{
    struct host_place home;
    enum knows found = HIDDEN;
    preflight_volume(s, "nextcloud_aio_backup_cache", &home, NULL);
    if (home.sight == HOST_ABSENT)
        found = NOT_KNOWN;
    if (home.fd >= 0) {
        int folder = openat(home.fd, ".ssh", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        found = folder >= 0 ? look_in(folder, name) : NOT_KNOWN;
        if (folder >= 0)
            (void)close(folder);
    }
    host_path_close(&home);
    return found;
}

/* AIO takes any key at the first connection, so one that is not known does not make a run fail. */
void check_target_host_key(struct preflight_state *s)
{
    for (size_t i = 0; i < s->target_count; i++) {
        char host[HOST], name[KNOWN_HOST_NAME];
        int port;
        const char *repo = s->targets[i].target->remote_repo;
        if (!repo[0] || !host_and_port(repo, host, &port) ||
            !known_hosts_name(host, port, name, NULL))
            continue;
        enum knows found = look(s, name);
        if (found == KNOWN)
            preflight_say(s, PREFLIGHT_OK, "AIO knows the key of %.150s", host);
        else if (found == NOT_KNOWN)
            preflight_trouble(
                s, PREFLIGHT_WARNING,
                "compare the host's fingerprint by hand before the first backup",
                "AIO does not know the key of %.120s: it would take whichever it gets", host);
        else
            preflight_trouble(s, PREFLIGHT_UNKNOWN,
                              "let the daemon see the volume nextcloud_aio_backup_cache",
                              "whether AIO knows the key of %.120s cannot be seen", host);
    }
}
