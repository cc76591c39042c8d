#include "sys/tcp_connect.h"

#include "limits.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0 when it is connected, else the error's number; ECANCELED when it is to stop. */
static int await(int fd, int64_t until, int stop_fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLOUT}, {.fd = stop_fd, .events = POLLIN}};
    for (;;) {
        int64_t left = until - now_ms();
        int n = left > 0 ? poll(p, 2, (int)left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return ETIMEDOUT;
        if (p[1].revents)
            return ECANCELED;
        int why = 0;
        socklen_t size = sizeof why;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) == 0 ? why : errno;
    }
}

static int try_one(const struct addrinfo *to, int64_t until, int stop_fd, int *why)
{
    int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *why = fd < 0 ? errno : 0;
    if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) != 0)
        *why = errno == EINPROGRESS ? await(fd, until, stop_fd) : errno;
    if (*why == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int try_all(const struct addrinfo *found, unsigned timeout_ms, int stop_fd, int *why)
{
    int fd = -1, tried = 0, count = 0;
    int64_t until = now_ms() + timeout_ms;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        count++;
    count = count < TCP_PROBE_ADDRESSES ? count : TCP_PROBE_ADDRESSES;
    for (const struct addrinfo *a = found; fd < 0 && a && tried < count; a = a->ai_next, tried++) {
        int64_t now = now_ms(), share = (until - now) / (count - tried);
        fd = try_one(a, now + share, stop_fd, why);
        if (*why == ECANCELED)
            break;
    }
    return fd;
}

int tcp_connect(const char *host, int port, unsigned timeout_ms, int stop_fd, struct err *e)
{
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    (void)snprintf(service, sizeof service, "%d", port);
    int r = getaddrinfo(host, service, &want, &found);
    if (r != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "the name %s is not known", host);
        return -1;
    }
    int why = EHOSTUNREACH;
    int fd = try_all(found, timeout_ms, stop_fd, &why);
    freeaddrinfo(found);
    if (fd >= 0)
        return fd;
    const char *words = why == ECONNREFUSED ? "refuses the connection"
                        : why == ETIMEDOUT  ? "does not answer in time"
                        : why == ECANCELED  ? "was not waited for"
                                            : "cannot be reached";
    (void)err_set(e, why == ECANCELED ? ERR_INTERRUPTED : ERR_UNAVAILABLE, "%s, port %d, %s", host,
                  port, words);
    return -1;
}
