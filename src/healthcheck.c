#include "healthcheck.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_S = 5, PORT_DEFAULT = 5000 };

static const char *setting(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

static int failed(const char *why)
{
    (void)fprintf(stderr, "healthcheck: %s\n", why);
    return 1;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -1;
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* A wildcard address is asked at its loopback. */
static const char *reachable(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

static int connect_tcp(void)
{
    char port[16];
    (void)snprintf(port, sizeof port, "%d", PORT_DEFAULT);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(reachable(setting("API_BIND", "127.0.0.1")), setting("API_PORT", port), &hints,
                    &found) != 0)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

int healthcheck(void)
{
    int fd = connect_tcp();
    const char *path = setting("API_SOCKET", "");
    if (fd < 0 && *path)
        fd = connect_unix(path);
    if (fd < 0)
        return failed("nobody listens");
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    static const char ask[] = "GET /health/public HTTP/1.0\r\nHost: localhost\r\n\r\n";
    char reply[64] = "";
    size_t n = 0;
    bool sent = write(fd, ask, sizeof ask - 1) == (ssize_t)(sizeof ask - 1);
    while (sent && n < sizeof reply - 1) {
        ssize_t k = read(fd, reply + n, sizeof reply - 1 - n);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    (void)close(fd);
    bool alive = n >= 12 && strncmp(reply, "HTTP/1.", 7) == 0 && strncmp(reply + 8, " 200", 4) == 0;
    return alive ? 0 : failed("the daemon does not answer as a living one");
}
