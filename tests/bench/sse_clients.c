/* Many readers of one event stream, and how late each of them gets a line.
 *
 * Usage: sse_clients PORT COUNT ADDRESSES < request
 * Opens COUNT connections from 127.0.2.1 … (ADDRESSES of them in turn), sends the request on each,
 * and prints "open COUNT" once all were answered 200. Then it looks for lines of the form
 * "line <number> <Unix time> …" in what comes, and for each number prints, once every client has
 * it, "line <number> <first> <last>": milliseconds from the line's own time to the first and to the
 * last client. It ends on SIGTERM, or with 1 as soon as a client is refused or closed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WORD = 64, NUMBERS = 65536, EVENTS = 512, INPUT = 1 << 16, REQUEST = 4096 };

struct client {
    int fd;
    bool answered;
    unsigned matched; /* of the pattern, or of the answer's first line */
    unsigned n;       /* bytes in word */
    char word[WORD];  /* "<number> <time>" after the pattern, as it comes */
};

static const char answer[] = "HTTP/1.1 200 ";
static const char pattern[] = "\"line\":\"line ";
static struct seen {
    unsigned clients;
    double first, last;
} seen[NUMBERS];
static char request[REQUEST], input[INPUT];
static size_t request_len;
static unsigned count, answered;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "sse_clients: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int open_one(int port, unsigned address)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000201u + address)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        fail("socket");
    /* The port is chosen at connect, so that more than 28 000 fit. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        fail("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail("connect");
    if (write(fd, request, request_len) != (ssize_t)request_len)
        fail("write");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        fail("fcntl");
    return fd;
}

static void note(unsigned long number, double stamp_ms, double now)
{
    struct seen *s = &seen[number % NUMBERS];
    double took = now - stamp_ms;
    if (s->clients++ == 0)
        s->first = took;
    s->last = took;
    if (s->clients == count) {
        printf("line %lu %.3f %.3f\n", number, s->first, s->last);
        fflush(stdout);
        s->clients = 0;
    }
}

/* One byte of the answer's first line; false when it is not the one wanted. */
static bool take_answer(struct client *c, char b)
{
    if (b != answer[c->matched])
        return false;
    if (answer[++c->matched])
        return true;
    c->answered = true;
    c->matched = 0;
    if (++answered == count) {
        printf("open %u\n", count);
        fflush(stdout);
    }
    return true;
}

static void take(struct client *c, char b, double now)
{
    if (pattern[c->matched]) {
        c->matched = b == pattern[c->matched] ? c->matched + 1 : b == pattern[0];
        return;
    }
    bool over = b == '"' || (b == ' ' && memchr(c->word, ' ', c->n));
    if (!over && c->n + 1 < WORD) {
        c->word[c->n++] = b;
        return;
    }
    c->word[c->n] = '\0';
    char *end;
    unsigned long number = strtoul(c->word, &end, 10);
    if (*end == ' ')
        note(number, strtod(end, NULL) * 1e3, now);
    c->n = c->matched = 0;
}

static void read_one(struct client *c)
{
    ssize_t n = read(c->fd, input, sizeof input);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        fail("a stream was closed");
    double now = now_ms();
    for (ssize_t i = 0; i < n; i++) {
        if (c->answered) {
            take(c, input[i], now);
        } else if (!take_answer(c, input[i])) {
            input[n < INPUT ? n : INPUT - 1] = '\0';
            fprintf(stderr, "sse_clients: refused: %.200s\n", input);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    int port = (int)strtol(argv[1], NULL, 10);
    count = (unsigned)strtoul(argv[2], NULL, 10);
    unsigned addresses = (unsigned)strtoul(argv[3], NULL, 10);
    for (ssize_t n; (n = read(0, request + request_len, sizeof request - request_len)) > 0;)
        request_len += (size_t)n;
    struct client *clients = calloc(count, sizeof *clients);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || ep < 0 || count == 0 || addresses == 0)
        fail("start");
    for (unsigned i = 0; i < count; i++) {
        clients[i].fd = open_one(port, i % addresses);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, clients[i].fd, &ev) != 0)
            fail("epoll_ctl");
    }
    for (;;) {
        struct epoll_event ready[EVENTS];
        int n = epoll_wait(ep, ready, EVENTS, -1);
        for (int i = 0; i < n; i++)
            read_one(ready[i].data.ptr);
    }
}
