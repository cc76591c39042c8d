/* The bare llhttp-on-libuv echo: a fixed small JSON reply to any keep-alive GET, and nothing else
 * (no limits, no timeouts, no checks). Its figures are printed beside the daemon's, so that what
 * the daemon adds can be seen. Usage: echo PORT */
#include <llhttp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct client {
    uv_tcp_t tcp; /* first: the handle is the client */
    llhttp_t parser;
    bool asked;
};

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                            "Content-Length: 26\r\n\r\n{\"ok\":true,\"state\":\"idle\"}";
static llhttp_settings_t settings;
static char input[65536];

static int on_message_complete(llhttp_t *parser)
{
    struct client *c = parser->data;
    c->asked = true;
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    free(h);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    *b = uv_buf_init(input, sizeof input);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct client *c = (struct client *)s;
    if (n < 0 || (n > 0 && llhttp_execute(&c->parser, b->base, (size_t)n) != HPE_OK)) {
        uv_close((uv_handle_t *)s, on_closed);
        return;
    }
    if (!c->asked)
        return;
    c->asked = false;
    char head[sizeof reply];
    uv_buf_t out = uv_buf_init(head, (unsigned)snprintf(head, sizeof head, "%s", reply));
    (void)uv_try_write(s, &out, 1);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct client *c = calloc(1, sizeof *c);
    if (status < 0 || !c) {
        free(c);
        return;
    }
    (void)uv_tcp_init(server->loop, &c->tcp);
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    (void)uv_accept(server, (uv_stream_t *)&c->tcp);
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at;
    uv_tcp_t server;
    uv_loop_t *loop = uv_default_loop();
    (void)signal(SIGPIPE, SIG_IGN);
    llhttp_settings_init(&settings);
    settings.on_message_complete = on_message_complete;
    (void)uv_ip4_addr("127.0.0.1", argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8080, &at);
    (void)uv_tcp_init(loop, &server);
    int rc = uv_tcp_bind(&server, (struct sockaddr *)&at, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server, 1024, on_connection);
    if (rc != 0) {
        (void)fprintf(stderr, "echo: %s\n", uv_strerror(rc));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
