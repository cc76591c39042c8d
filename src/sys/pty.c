#include "sys/pty.h"

#include "base/mem.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { TERMINAL_FD = 3, NO_PROGRAM = 127 };

struct pty {
    uv_poll_t poll;
    int ours;
    int theirs; /* kept open: while nobody has it, reading fails, and the child opens it late */
    void (*on_text)(void *arg, const char *p, size_t n);
    void *arg;
};

/* Neither echo nor signals nor editing: what is sent is what is read. */
static bool make_plain(int fd)
{
    struct termios t;
    if (tcgetattr(fd, &t) != 0)
        return false;
    cfmakeraw(&t);
    return tcsetattr(fd, TCSANOW, &t) == 0;
}

static bool open_both(struct pty *p)
{
    int unlock = 0;
    p->ours = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (p->ours < 0 || ioctl(p->ours, TIOCSPTLCK, &unlock) != 0)
        return false;
    p->theirs = ioctl(p->ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return p->theirs >= 0 && make_plain(p->theirs);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void on_readable(uv_poll_t *h, int status, int events)
{
    struct pty *p = h->data;
    char text[PTY_READ];
    ssize_t n = status == 0 ? read(p->ours, text, sizeof text) : -1;
    if (n > 0)
        p->on_text(p->arg, text, (size_t)n);
    else if (status != 0 || n == 0 || (errno != EAGAIN && errno != EINTR))
        (void)uv_poll_stop(h);
    sodium_memzero(text, sizeof text);
}

static void on_closed(uv_handle_t *h)
{
    struct pty *p = h->data;
    close_fd(&p->ours);
    mem_free(p);
}

struct pty *pty_new(uv_loop_t *loop, void (*on_text)(void *, const char *, size_t), void *arg,
                    struct err *e)
{
    struct pty *p = mem_zalloc(sizeof *p);
    if (!p) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for a terminal");
        return NULL;
    }
    *p = (struct pty){.ours = -1, .theirs = -1, .on_text = on_text, .arg = arg};
    p->poll.data = p;
    if (!open_both(p) || uv_poll_init(loop, &p->poll, p->ours) != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "no terminal can be had: %s", strerror(errno));
        close_fd(&p->theirs);
        close_fd(&p->ours);
        mem_free(p);
        return NULL;
    }
    (void)uv_poll_start(&p->poll, UV_READABLE, on_readable);
    return p;
}

int pty_child_fd(const struct pty *p)
{
    return p->theirs;
}

bool pty_send(struct pty *p, const void *bytes, size_t n)
{
    ssize_t sent;
    do
        sent = write(p->ours, bytes, n);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)n;
}

void pty_free(struct pty *p)
{
    if (!p)
        return;
    close_fd(&p->theirs);
    uv_close((uv_handle_t *)&p->poll, on_closed);
}

int pty_main(int argc, char **argv)
{
    if (argc < 2)
        return NO_PROGRAM;
    if (ioctl(TERMINAL_FD, TIOCSCTTY, 0) != 0) {
        (void)fprintf(stderr, "no terminal: %s\n", strerror(errno));
        return NO_PROGRAM;
    }
    (void)close(TERMINAL_FD); /* /dev/tty leads to it from now on */
    (void)execv(argv[1], argv + 1);
    (void)fprintf(stderr, "cannot run %s: %s\n", argv[1], strerror(errno));
    return NO_PROGRAM;
}
