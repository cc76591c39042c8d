#include "backup/control/control_link.h"

#include "backup/control/control_dir.h"
#include "limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void set_limit(int fd, int option, int ms)
{
    struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)setsockopt(fd, SOL_SOCKET, option, &t, sizeof t);
}

/* The directory of the socket's path, which ends in "/s". */
static bool find_dir(struct control_link *l)
{
    const char *path = getenv("BORGMATIC_API_CONTROL");
    size_t n = path ? strlen(path) : 0;
    if (n < 3 || n >= sizeof l->dir || strcmp(path + n - 2, "/s") != 0)
        return false;
    memcpy(l->dir, path, n - 2);
    l->dir[n - 2] = '\0';
    return true;
}

bool control_link_open(struct control_link *l)
{
    *l = (struct control_link){.fd = -1};
    buf_init(&l->out, CONTROL_MSG);
    if (!find_dir(l))
        return false;
    int dirfd = control_dir_open(l->dir);
    if (dirfd < 0)
        return false;
    struct sockaddr_un address;
    control_dir_socket(dirfd, &address);
    l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (l->fd >= 0) { /* the limit of sending is that of connecting as well */
        set_limit(l->fd, SO_SNDTIMEO, CONTROL_SEND_MS);
        set_limit(l->fd, SO_RCVTIMEO, CONTROL_ANSWER_MS);
        if (connect(l->fd, (const struct sockaddr *)&address, sizeof address) != 0)
            control_link_close(l);
    }
    (void)close(dirfd);
    return l->fd >= 0;
}

void control_link_close(struct control_link *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    buf_wipe(&l->out);
}

bool control_link_send(struct control_link *l, const struct control_msg *m, bool dropped)
{
    if (l->fd < 0)
        return false;
    buf_reset(&l->out);
    if (!control_msg_encode(m, &l->out))
        return false;
    int flags = MSG_NOSIGNAL | (dropped || l->stalled ? MSG_DONTWAIT : 0);
    ssize_t n;
    do
        n = send(l->fd, l->out.p, l->out.n, flags);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        l->stalled = false;
    else if (errno != EAGAIN)
        control_link_close(l);
    else if (!dropped)
        l->stalled = true;
    return n >= 0;
}

static bool flush_strings(struct control_link *l, struct control_msg *m, struct buf *list,
                          bool more)
{
    m->more = more;
    m->rest = buf_str(list);
    m->n = list->n;
    bool ok = control_link_send(l, m, false);
    buf_reset(list);
    return ok;
}

bool control_link_send_strings(struct control_link *l, struct control_msg m,
                               const char *const *strings)
{
    struct buf list;
    buf_init(&list, CONTROL_REST_MAX);
    size_t total = 0, count = 0;
    bool ok = true;
    for (; ok && *strings; strings++) {
        size_t n = strlen(*strings) + 1;
        if (n > CONTROL_REST_MAX || total + n > CONTROL_ARGV || count == CONTROL_LIST)
            continue;
        if (list.n + n > CONTROL_REST_MAX)
            ok = flush_strings(l, &m, &list, true);
        ok = ok && buf_append(&list, *strings, n);
        total += n;
        count++;
    }
    ok = ok && flush_strings(l, &m, &list, false);
    buf_wipe(&list);
    return ok;
}

static int fd_of(struct msghdr *h)
{
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(h);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

bool control_link_orders(struct control_link *l, struct control_orders *o)
{
    *o = (struct control_orders){.fd = -1};
    char bytes[sizeof o->borg + 16];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr h = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    ssize_t n;
    do
        n = l->fd < 0 ? -1 : recvmsg(l->fd, &h, MSG_CMSG_CLOEXEC);
    while (n < 0 && l->fd >= 0 && errno == EINTR);
    struct control_msg m;
    int fd = n > 0 ? fd_of(&h) : -1;
    if (n > 0 && !(h.msg_flags & MSG_TRUNC) && control_msg_decode(bytes, (size_t)n, &m) &&
        m.type == CONTROL_ANSWER && m.n < sizeof o->borg && m.fd == (fd >= 0)) {
        o->mode = m.mode;
        o->fd = fd;
        memcpy(o->borg, m.rest, m.n);
        return true;
    }
    if (fd >= 0)
        (void)close(fd);
    control_link_close(l);
    return false;
}
