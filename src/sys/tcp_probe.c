#include "sys/tcp_probe.h"

#include "base/mem.h"
#include "limits.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

struct attempt {
    uv_tcp_t tcp;
    uv_connect_t request;
    struct tcp_probe *p;
    uint64_t begun_ns;
    char address[64];
    bool open; /* its handle is not closed */
};

struct tcp_probe {
    uv_getaddrinfo_t lookup;
    uv_timer_t deadline, stagger;
    struct attempt attempts[TCP_PROBE_ADDRESSES];
    struct addrinfo *found, *next;
    size_t begun, failed;
    unsigned refs; /* the owner, handles not closed, the lookup */
    bool over;
    struct tcp_probe_result result;
    void (*done)(void *arg, const struct tcp_probe_result *r);
    void *arg;
};

static void unref(struct tcp_probe *p)
{
    if (--p->refs > 0)
        return;
    if (p->found)
        uv_freeaddrinfo(p->found);
    mem_free(p);
}

static void on_closed(uv_handle_t *h)
{
    unref(h->data);
}

/* Nothing more is waited for; callbacks that still come do nothing. */
static void give_up(struct tcp_probe *p)
{
    if (p->over)
        return;
    p->over = true;
    (void)uv_cancel((uv_req_t *)&p->lookup);
    (void)uv_timer_stop(&p->deadline);
    (void)uv_timer_stop(&p->stagger);
    for (size_t i = 0; i < p->begun; i++)
        if (p->attempts[i].open) {
            p->attempts[i].open = false;
            uv_close((uv_handle_t *)&p->attempts[i].tcp, on_closed);
        }
}

static void tell(struct tcp_probe *p)
{
    give_up(p);
    p->done(p->arg, &p->result);
}

static void note(struct tcp_probe *p, int status)
{
    p->result.detail = uv_strerror(status);
    if (status == UV_ECONNREFUSED)
        p->result.word = "connection_refused";
    else if (status == UV_ETIMEDOUT)
        p->result.word = "connect_timeout";
    else if (status == UV_EHOSTUNREACH || status == UV_ENETUNREACH || status == UV_EADDRNOTAVAIL)
        p->result.word = "host_unreachable";
    else
        p->result.word = "connect_failed";
}

static void try_next(struct tcp_probe *p);

static void on_connect(uv_connect_t *r, int status)
{
    struct attempt *a = r->data;
    struct tcp_probe *p = a->p;
    if (p->over)
        return;
    (void)snprintf(p->result.address, sizeof p->result.address, "%s", a->address);
    if (status != 0) {
        note(p, status);
        p->failed++;
        try_next(p);
        return;
    }
    p->result.reachable = true;
    p->result.word = p->result.detail = "";
    p->result.latency_ms = (double)(uv_hrtime() - a->begun_ns) / 1e6;
    tell(p);
}

/* A failure that is known at once counts as one that came later. */
static void begin(struct tcp_probe *p, const struct addrinfo *to)
{
    struct attempt *a = &p->attempts[p->begun];
    if (uv_tcp_init(p->deadline.loop, &a->tcp) != 0) {
        p->next = NULL;
        return;
    }
    p->begun++;
    p->refs++;
    a->tcp.data = p;
    a->p = p;
    a->open = true;
    a->begun_ns = uv_hrtime();
    a->request.data = a;
    (void)uv_ip_name(to->ai_addr, a->address, sizeof a->address);
    int r = uv_tcp_connect(&a->request, &a->tcp, to->ai_addr, on_connect);
    if (r == 0)
        return;
    note(p, r);
    (void)snprintf(p->result.address, sizeof p->result.address, "%s", a->address);
    p->failed++;
}

static void on_stagger(uv_timer_t *t)
{
    try_next(t->data);
}

static void try_next(struct tcp_probe *p)
{
    if (p->next && p->begun < TCP_PROBE_ADDRESSES) {
        const struct addrinfo *to = p->next;
        p->next = p->next->ai_next;
        begin(p, to);
        (void)uv_timer_start(&p->stagger, on_stagger,
                             p->failed == p->begun ? 0 : TCP_PROBE_STAGGER_MS, 0);
    } else if (p->failed == p->begun) {
        tell(p);
    }
}

static void on_deadline(uv_timer_t *t)
{
    struct tcp_probe *p = t->data;
    p->result.word = p->begun || p->found ? "connect_timeout" : "name_unresolved";
    p->result.detail = "there was no answer in time";
    for (size_t i = 0; i < p->begun; i++)
        (void)snprintf(p->result.address, sizeof p->result.address, "%s", p->attempts[i].address);
    tell(p);
}

static void on_names(uv_getaddrinfo_t *r, int status, struct addrinfo *found)
{
    struct tcp_probe *p = r->data;
    p->found = found;
    if (!p->over && status != 0) {
        p->result.word = "name_unresolved";
        p->result.detail = uv_strerror(status);
        tell(p);
    } else if (!p->over) {
        p->next = found;
        p->result.word = "connect_failed";
        try_next(p);
    }
    unref(p);
}

struct tcp_probe *tcp_probe_start(uv_loop_t *loop, const char *host, int port, unsigned timeout_ms,
                                  void (*done)(void *arg, const struct tcp_probe_result *r),
                                  void *arg, struct err *e)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct tcp_probe *p = mem_zalloc(sizeof *p);
    char service[8];
    (void)snprintf(service, sizeof service, "%d", port);
    if (!p) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory for this request");
        return NULL;
    }
    *p = (struct tcp_probe){.refs = 3, .done = done, .arg = arg};
    p->result.word = p->result.detail = "";
    (void)uv_timer_init(loop, &p->deadline);
    (void)uv_timer_init(loop, &p->stagger);
    p->deadline.data = p->stagger.data = p->lookup.data = p;
    if (uv_getaddrinfo(loop, &p->lookup, on_names, host, service, &hints) != 0) {
        p->over = true;
        tcp_probe_free(p);
        (void)err_set(e, ERR_NO_MEMORY, "no memory for this request");
        return NULL;
    }
    p->refs++;
    (void)uv_timer_start(&p->deadline, on_deadline, timeout_ms, 0);
    return p;
}

void tcp_probe_free(struct tcp_probe *p)
{
    if (!p)
        return;
    give_up(p);
    uv_close((uv_handle_t *)&p->deadline, on_closed);
    uv_close((uv_handle_t *)&p->stagger, on_closed);
    unref(p);
}
