#include "sys/http_get.h"

#include "sys/spawn_gate.h"

#include <curl/curl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct get {
    const struct http_get *asked;
    struct buf *out;
    CURL *easy;
    struct curl_slist *to, *headers;
    char error[CURL_ERROR_SIZE];
    bool taken; /* curl closes the descriptor */
};

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct get *g = arg;
    return buf_append(g->out, p, size * n) ? size * n : 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct get *g = arg;
    if (g->taken) /* one connection, one request */
        return CURL_SOCKET_BAD;
    g->taken = true;
    return g->asked->fd;
}

static int on_opened(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

/* The connection is there: the address is never used, but a literal one keeps curl from looking the
 * name up, which it does on a thread with descriptors of its own. */
static bool set_request(struct get *g)
{
    CURL *x = g->easy;
    char host[300];
    if (g->asked->host) {
        if (snprintf(host, sizeof host, "Host: %s", g->asked->host) >= (int)sizeof host)
            return false;
        g->headers = curl_slist_append(NULL, host);
    }
    g->to = curl_slist_append(NULL, "::127.0.0.1:");
    return g->to && (g->headers || !g->asked->host) &&
           curl_easy_setopt(x, CURLOPT_URL, g->asked->url) == CURLE_OK &&
           curl_easy_setopt(x, CURLOPT_CONNECT_TO, g->to) == CURLE_OK &&
           curl_easy_setopt(x, CURLOPT_HTTPHEADER, g->headers) == CURLE_OK &&
           curl_easy_setopt(x, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(x, CURLOPT_PROXY, "") == CURLE_OK;
}

static void set_the_rest(struct get *g)
{
    CURL *x = g->easy;
    long verify = g->asked->verify;
    (void)curl_easy_setopt(x, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(x, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(x, CURLOPT_TIMEOUT_MS, (long)g->asked->timeout_ms);
    (void)curl_easy_setopt(x, CURLOPT_SSL_VERIFYPEER, verify);
    (void)curl_easy_setopt(x, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    (void)curl_easy_setopt(x, CURLOPT_ERRORBUFFER, g->error);
    (void)curl_easy_setopt(x, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(x, CURLOPT_WRITEDATA, g);
    (void)curl_easy_setopt(x, CURLOPT_OPENSOCKETFUNCTION, on_open);
    (void)curl_easy_setopt(x, CURLOPT_OPENSOCKETDATA, g);
    (void)curl_easy_setopt(x, CURLOPT_SOCKOPTFUNCTION, on_opened);
}

static CURLM *new_multi(void)
{
    spawn_gate_close();
    CURLM *multi = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_multi_init() : NULL;
    /* curl's wake-up pair is not close-on-exec; nothing that we have open is meant for children */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    spawn_gate_open();
    return multi;
}

static CURLcode perform(CURLM *multi, CURL *easy)
{
    CURLcode result = CURLE_FAILED_INIT;
    int running = 1, left;
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return result;
    while (running) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        if (running)
            (void)curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    for (const CURLMsg *m; (m = curl_multi_info_read(multi, &left));)
        if (m->msg == CURLMSG_DONE)
            result = m->data.result;
    (void)curl_multi_remove_handle(multi, easy);
    return result;
}

int http_get(const struct http_get *asked, struct buf *out, struct err *e)
{
    struct get g = {.asked = asked, .out = out, .easy = curl_easy_init()};
    CURLM *multi = g.easy ? new_multi() : NULL;
    CURLcode result = CURLE_FAILED_INIT;
    long status = 0;
    if (multi && set_request(&g)) {
        set_the_rest(&g);
        result = perform(multi, g.easy);
        (void)curl_easy_getinfo(g.easy, CURLINFO_RESPONSE_CODE, &status);
    }
    if (g.easy)
        curl_easy_cleanup(g.easy);
    if (multi)
        (void)curl_multi_cleanup(multi); /* closes the connection */
    curl_slist_free_all(g.to);
    curl_slist_free_all(g.headers);
    if (!g.taken)
        (void)close(asked->fd);
    if (result == CURLE_OK)
        return (int)status;
    const char *why = out->failed       ? "the answer is too long"
                      : g.error[0] != 0 ? g.error
                                        : curl_easy_strerror(result);
    (void)err_set(e, ERR_UNAVAILABLE, "%s", why);
    return -1;
}
