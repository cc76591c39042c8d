#include "base/mem.h"
#include "docker/engine_internal.h"
#include "limits.h"

#include <netdb.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

uint64_t engine_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- what comes ---- */

static bool to_sink(void *arg, bool is_stderr, const char *p, size_t n)
{
    struct engine_stream *s = arg;
    s->en->said = true;
    s->en->moved = true;
    if (s->sink.data)
        s->sink.data(s->sink.arg, is_stderr ? ENGINE_STDERR : ENGINE_STDOUT, p, n);
    return !s->closed;
}

/* Less than what came makes curl end the transfer. */
static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct engine_stream *s = arg;
    n *= size;
    if (s->closed)
        return 0;
    if (!s->is_stream || s->status != 200)
        return buf_append(&s->body, p, n) || s->is_stream ? n : 0;
    if (!s->opened) {
        s->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (s->framing == FRAMING_NONE)
        (void)to_sink(s, false, p, n);
    else if (!frames_feed(&s->frames, p, n, to_sink, s))
        s->garbled = true;
    return s->closed || s->garbled ? 0 : n;
}

static bool take_header(const char *line, size_t n, const char *name, char *out, size_t size)
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
        return false;
    line += k + 1;
    n -= k + 1;
    while (n && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    if (n >= size)
        return false;
    memcpy(out, line, n);
    out[n] = '\0';
    return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct engine_stream *s = arg;
    char type[64];
    n *= size;
    if (n > ENGINE_HEADER)
        return 0;
    if (take_header(line, n, "Content-Type", type, sizeof type) && s->framing == FRAMING_BY_TYPE &&
        strcmp(type, "application/vnd.docker.raw-stream") == 0)
        s->framing = FRAMING_NONE;
    (void)take_header(line, n, "Api-Version", s->api_version, sizeof s->api_version);
    if (n <= 2 && (line[0] == '\r' || line[0] == '\n')) {
        long status = 0;
        (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
        s->status = (int)status;
        s->headed = status >= 200;
    }
    return n;
}

/* ---- a transfer ---- */

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* The host's addresses, looked up here: curl would do it on a thread of its own, with descriptors
 * that children inherit. */
static bool resolve(struct engine *en, struct err *e)
{
    const char *host = en->base + strlen("http://");
    const char *colon = strrchr(host, ':');
    AUTO_FREE char *name = mem_strndup(host, (size_t)(colon - host));
    struct addrinfo *found = NULL;
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
    struct buf line;
    buf_init(&line, 1024);
    if (!name)
        return err_set(e, ERR_NO_MEMORY, "no memory to ask the Docker Engine");
    if (*name == '[' || getaddrinfo(name, colon + 1, &want, &found) != 0)
        found = NULL; /* curl says it in its words */
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        if (line.n == 0)
            (void)buf_printf(&line, "%s:", host);
        const char *comma = line.n && line.p[line.n - 1] == ':' ? "" : ",";
        (void)buf_printf(&line, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", comma, text);
    }
    if (found)
        freeaddrinfo(found);
    if (line.n && !line.failed)
        en->resolved = curl_slist_append(NULL, buf_str(&line));
    buf_done(&line);
    return *name == '[' || en->resolved || engine_fault_unknown_host(en, name, e);
}

static bool add_header(struct engine_stream *s, const char *line)
{
    struct curl_slist *more = curl_slist_append(s->headers, line);
    if (more)
        s->headers = more;
    return more != NULL;
}

static bool set_request(struct engine_stream *s, const struct engine_ask *a)
{
    CURL *x = s->easy;
    const struct engine *en = s->en;
    AUTO_FREE char *url =
        mem_printf("%s%s%s", en->base, a->unversioned ? "" : en->version, a->path);
    bool ok = url && curl_easy_setopt(x, CURLOPT_URL, url) == CURLE_OK &&
              curl_easy_setopt(x, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
              curl_easy_setopt(x, CURLOPT_PROXY, "") == CURLE_OK && add_header(s, "Expect:");
    if (en->socket)
        ok = ok && curl_easy_setopt(x, CURLOPT_UNIX_SOCKET_PATH, en->socket) == CURLE_OK;
    else if (en->resolved)
        ok = ok && curl_easy_setopt(x, CURLOPT_RESOLVE, en->resolved) == CURLE_OK;
    if (strcmp(a->method, "GET") == 0)
        return ok;
    /* On a connection of its own: curl would send it again when a kept one turns out dead. */
    s->sent = mem_strdup(a->body ? a->body : "");
    ok = ok && s->sent && add_header(s, "Content-Type: application/json") &&
         curl_easy_setopt(x, CURLOPT_CUSTOMREQUEST, a->method) == CURLE_OK &&
         curl_easy_setopt(x, CURLOPT_POSTFIELDSIZE, (long)strlen(s->sent)) == CURLE_OK &&
         curl_easy_setopt(x, CURLOPT_POSTFIELDS, s->sent) == CURLE_OK;
    (void)curl_easy_setopt(x, CURLOPT_FRESH_CONNECT, 1L);
    return ok;
}

static void set_callbacks(struct engine_stream *s)
{
    CURL *x = s->easy;
    (void)curl_easy_setopt(x, CURLOPT_HTTPHEADER, s->headers);
    (void)curl_easy_setopt(x, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(x, CURLOPT_CONNECTTIMEOUT_MS, (long)ENGINE_CONNECT_MS);
    (void)curl_easy_setopt(x, CURLOPT_ERRORBUFFER, s->error);
    (void)curl_easy_setopt(x, CURLOPT_PRIVATE, s);
    (void)curl_easy_setopt(x, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(x, CURLOPT_WRITEDATA, s);
    (void)curl_easy_setopt(x, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(x, CURLOPT_HEADERDATA, s);
    (void)curl_easy_setopt(x, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
}

struct engine_stream *engine_begin(struct engine *en, const struct engine_ask *a,
                                   const struct engine_sink *sink, struct err *e)
{
    if (!en->socket && !en->resolved && !resolve(en, e))
        return NULL;
    struct engine_stream *s = mem_zalloc(sizeof *s);
    if (!s) {
        (void)err_set(e, ERR_NO_MEMORY, "no memory to ask the Docker Engine");
        return NULL;
    }
    s->en = en;
    s->next = en->transfers;
    en->transfers = s;
    s->is_stream = sink != NULL;
    s->framing = a->framing;
    if (sink)
        s->sink = *sink;
    buf_init(&s->body, sink ? ENGINE_FAULT : ENGINE_REPLY);
    s->easy = curl_easy_init();
    bool ok = s->easy && set_request(s, a);
    if (ok)
        set_callbacks(s);
    if (ok && curl_multi_add_handle(en->multi, s->easy) == CURLM_OK)
        return s;
    engine_end(s);
    (void)err_set(e, ERR_NO_MEMORY, "no memory to ask the Docker Engine");
    return NULL;
}

void engine_end(struct engine_stream *s)
{
    for (struct engine_stream **at = &s->en->transfers; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    if (s->easy) {
        (void)curl_multi_remove_handle(s->en->multi, s->easy);
        curl_easy_cleanup(s->easy);
    }
    curl_slist_free_all(s->headers);
    mem_free(s->sent);
    buf_wipe(&s->body);
    mem_free(s);
}

void engine_stream_close(struct engine_stream *s)
{
    if (!s)
        return;
    s->closed = true;
    if (!s->en->inside)
        engine_end(s);
}

/* ---- serving all of them ---- */

static void mark_finished(struct engine *en)
{
    int left;
    const CURLMsg *m;
    while ((m = curl_multi_info_read(en->multi, &left))) {
        struct engine_stream *s = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode result = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
        s->result = result;
        s->over = true;
        en->moved = true;
    }
}

static void tell_end(struct engine_stream *s)
{
    struct err e = {0};
    bool whole = s->framing == FRAMING_NONE || frames_whole(&s->frames);
    bool well = s->result == CURLE_OK && !s->garbled && whole;
    s->en->said = s->en->moved = true;
    if (!well)
        (void)engine_fault_transport(s, &e);
    s->told = true;
    if (s->sink.end)
        s->sink.end(s->sink.arg, well ? NULL : &e);
}

/* Only of streams that were handed out: one that is still being opened is watched by its opener. */
static void see_to_ends(struct engine *en)
{
    for (struct engine_stream *s = en->transfers; s; s = s->next)
        if (s->over && s->is_stream && s->opened && !s->told && !s->closed)
            tell_end(s);
}

static void free_closed(struct engine *en)
{
    for (struct engine_stream *s = en->transfers, *next; s; s = next) {
        next = s->next;
        if (s->closed)
            engine_end(s);
    }
}

static void go_on_with_paused(struct engine *en)
{
    for (struct engine_stream *s = en->transfers; s; s = s->next)
        if (s->opened && s->paused && !s->closed) {
            s->paused = false;
            s->result = curl_easy_pause(s->easy, CURLPAUSE_CONT);
            s->over = s->over || s->result != CURLE_OK; /* what our callback refused here */
        }
}

static void perform(struct engine *en)
{
    int running;
    en->inside = true;
    go_on_with_paused(en);
    (void)curl_multi_perform(en->multi, &running);
    mark_finished(en);
    see_to_ends(en);
    en->inside = false;
    free_closed(en);
}

bool engine_turn(struct engine *en, unsigned ms)
{
    struct curl_waitfd stop = {.fd = en->task ? task_stop_fd(en->task) : -1,
                               .events = CURL_WAIT_POLLIN};
    en->moved = false;
    perform(en);
    if (en->task && task_stopping(en->task))
        return false;
    if (!en->moved) {
        (void)curl_multi_poll(en->multi, &stop, en->task ? 1 : 0, (int)ms, NULL);
        perform(en);
    }
    return !en->task || !task_stopping(en->task);
}

bool engine_wait(struct engine *en, unsigned ms)
{
    uint64_t until = engine_now_ms() + ms;
    bool go_on = true;
    for (uint64_t now; go_on && (now = engine_now_ms()) <= until && !en->said;)
        go_on = engine_turn(en, (unsigned)(until - now));
    en->said = false;
    return go_on;
}
