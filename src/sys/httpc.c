#include "sys/httpc.h"

#include "base/buf.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <unistd.h>

struct httpc {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct httpc_call *calls;
    unsigned handles; /* of ours on the loop, the timer's included */
    bool closing;
};

struct httpc_call {
    struct httpc *h;
    struct httpc_call *next;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    char error[CURL_ERROR_SIZE];
    void (*done)(void *, const struct httpc_reply *, const struct err *);
    void *arg;
};

/* One socket of curl's, watched by the loop. */
struct watch {
    uv_poll_t poll;
    struct httpc *h;
    curl_socket_t fd;
};

static void handle_gone(struct httpc *h)
{
    if (--h->handles || !h->closing)
        return;
    (void)curl_multi_cleanup(h->multi);
    mem_free(h);
}

static void watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct httpc *h = w->h;
    mem_free(w);
    handle_gone(h);
}

static void timer_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

/* ---- a call's end ---- */

static void unlink_call(struct httpc_call *c)
{
    for (struct httpc_call **at = &c->h->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            return;
        }
}

static void call_free(struct httpc_call *c)
{
    unlink_call(c);
    (void)curl_multi_remove_handle(c->h->multi, c->easy);
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->headers);
    buf_wipe(&c->body);
    mem_free(c);
}

static enum err_code code_of(CURLcode r)
{
    return r == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
}

static void finish(struct httpc_call *c, CURLcode result)
{
    long status = 0;
    struct err e = {0};
    (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (c->body.failed)
        (void)err_set(&e, ERR_UNAVAILABLE, "the answer is longer than %zu bytes", c->body.max);
    else if (result != CURLE_OK)
        (void)err_set(&e, code_of(result), "%s",
                      c->error[0] ? c->error : curl_easy_strerror(result));
    bool answered = e.code == ERR_NONE;
    const struct httpc_reply reply = {
        .status = answered ? (int)status : 0, .body = buf_str(&c->body), .body_len = c->body.n};
    c->done(c->arg, &reply, answered ? NULL : &e);
    call_free(c);
}

static void take_finished(struct httpc *h)
{
    int left;
    CURLMsg *m;
    while (!h->closing && (m = curl_multi_info_read(h->multi, &left))) {
        struct httpc_call *c = NULL;
        CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        finish(c, result);
    }
}

/* ---- curl's sockets and clock on the loop ---- */

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct watch *w = p->data;
    struct httpc *h = w->h;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    (void)curl_multi_socket_action(h->multi, w->fd, flags, &running);
    take_finished(h);
}

static struct watch *watch_new(struct httpc *h, curl_socket_t fd)
{
    struct watch *w = mem_zalloc(sizeof *w);
    if (!w)
        return NULL;
    w->h = h;
    w->fd = fd;
    if (uv_poll_init(h->loop, &w->poll, fd) != 0) {
        mem_free(w);
        return NULL;
    }
    w->poll.data = w;
    h->handles++;
    (void)curl_multi_assign(h->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct httpc *h = arg;
    struct watch *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w) { /* before curl closes the descriptor */
            (void)uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, watch_closed);
            (void)curl_multi_assign(h->multi, fd, NULL);
        }
        return 0;
    }
    if (!w && !(w = watch_new(h, fd)))
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_poll) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *t)
{
    struct httpc *h = t->data;
    int running;
    (void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(h);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    struct httpc *h = arg;
    if (h->closing)
        return 0;
    if (ms < 0)
        (void)uv_timer_stop(&h->timer);
    else
        (void)uv_timer_start(&h->timer, on_timer, ms ? (uint64_t)ms : 1, 0);
    return 0;
}

static void *zalloc_many(size_t n, size_t size)
{
    size_t all;
    return __builtin_mul_overflow(n, size, &all) ? NULL : mem_zalloc(all);
}

/* curl's own copies of headers and replies hold secrets. */
static bool curl_ready(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free_wiped, mem_realloc_wiped,
                                mem_strdup, zalloc_many) == CURLE_OK;
}

struct httpc *httpc_new(uv_loop_t *loop, struct err *e)
{
    struct httpc *h = mem_zalloc(sizeof *h);
    CURLM *multi = h && curl_ready() ? curl_multi_init() : NULL;
    if (!multi) {
        mem_free(h);
        (void)err_set(e, ERR_NO_MEMORY, "cannot set up HTTP calls");
        return NULL;
    }
    /* curl's own wake-up pair is not close-on-exec; nothing that we have open is meant for children
     */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    h->loop = loop;
    h->multi = multi;
    h->handles = 1;
    (void)uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, h);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, h);
    return h;
}

/* ---- a call ---- */

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct httpc_call *c = arg;
    return buf_append(&c->body, p, size * n) ? size * n : 0;
}

/* curl 7.88 does not set it itself: children would inherit the Engine's socket. */
static int on_new_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

static bool set_headers(struct httpc_call *c, const char *const *headers)
{
    for (; headers && *headers; headers++) {
        struct curl_slist *longer = curl_slist_append(c->headers, *headers);
        if (!longer)
            return false;
        c->headers = longer;
    }
    return curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK;
}

static bool set_options(struct httpc_call *c, const struct httpc_request *r)
{
    CURL *x = c->easy;
    bool ok = curl_easy_setopt(x, CURLOPT_URL, r->url) == CURLE_OK &&
              curl_easy_setopt(x, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK &&
              curl_easy_setopt(x, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(x, CURLOPT_PROXY, "") == CURLE_OK && set_headers(c, r->headers);
    if (r->unix_socket)
        ok = ok && curl_easy_setopt(x, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket) == CURLE_OK;
    (void)curl_easy_setopt(x, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(x, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    (void)curl_easy_setopt(x, CURLOPT_ERRORBUFFER, c->error);
    (void)curl_easy_setopt(x, CURLOPT_PRIVATE, c);
    (void)curl_easy_setopt(x, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(x, CURLOPT_WRITEDATA, c);
    (void)curl_easy_setopt(x, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
    return ok;
}

struct httpc_call *httpc_start(struct httpc *h, const struct httpc_request *r, struct err *e)
{
    struct httpc_call *c = mem_zalloc(sizeof *c);
    if (c)
        c->easy = curl_easy_init();
    if (!c || !c->easy) {
        mem_free(c);
        (void)err_set(e, ERR_NO_MEMORY, "no memory for an HTTP call");
        return NULL;
    }
    c->h = h;
    c->done = r->done;
    c->arg = r->arg;
    buf_init(&c->body, r->reply_max);
    c->next = h->calls;
    h->calls = c;
    if (!set_options(c, r) || curl_multi_add_handle(h->multi, c->easy) != CURLM_OK) {
        call_free(c);
        (void)err_set(e, ERR_UNAVAILABLE, "cannot make an HTTP call");
        return NULL;
    }
    return c;
}

void httpc_cancel(struct httpc_call *c)
{
    if (c)
        call_free(c);
}

void httpc_close(struct httpc *h)
{
    if (!h)
        return;
    h->closing = true;
    while (h->calls)
        call_free(h->calls);
    uv_close((uv_handle_t *)&h->timer, timer_closed);
}
