/* http: a small strict HTTP/1.1 server on the caller's libuv loop.
 *
 * What it owns: listeners, connections, parsing (llhttp), framing of replies and streams, every
 * limit and timeout of limits.h. What it does not know: routes, tokens, JSON.
 * One thread: all calls and all callbacks happen on the loop's thread.
 *
 * Life of a request. When its head is complete and sound, `on_head` is called: the application may
 * answer at once (the body is then not read), or set req->body_max and return. When the body is
 * complete, `on_request` is called. The application must then answer exactly once, now or at any
 * later time: http_reply, or http_stream_begin … http_stream_end. The parser of that connection is
 * paused meanwhile, so that pipelined requests are answered in order. If the client goes away
 * first, the `on_gone` callback set by http_on_gone runs once; the answer is still owed, and is
 * dropped. A request and everything in its arena is valid until it is answered.
 * A client that leaves before on_request was called costs the application nothing: no answer is
 * owed, and what on_head hung on req->user must live in the arena.
 * A client that only ends its own side (half-close) counts as gone where http_on_gone was set and
 * for streams; any other answer is still sent to it.
 * Malformed requests are answered by the server itself through `on_error`'s body.
 * SIGPIPE is set to be ignored, and the soft limit on descriptors is raised as far as needed. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_stream;

enum http_method {
    HTTP_M_GET,
    HTTP_M_HEAD,
    HTTP_M_POST,
    HTTP_M_PUT,
    HTTP_M_DELETE,
    HTTP_M_OPTIONS,
    HTTP_M_OTHER
};

struct http_header {
    const char *name;  /* lower-cased */
    const char *value; /* without surrounding white space; never holds NUL, CR or LF */
};

/* Everything here is read-only for the application but body_max and user. */
struct http_req {
    struct arena arena; /* for the application too; wiped when the request ends */
    enum http_method method;
    const char *method_name; /* as sent */
    const char *target;      /* as sent, origin form ("/…") */
    const char *path;        /* the target up to '?', still percent-encoded */
    const char *query;       /* after '?', still encoded, or "" */
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* followed by a NUL; "" when there is none */
    size_t body_len;
    size_t body_max;     /* set in on_head; default LIMIT_BODY; beyond it 413 */
    char id[33];         /* X-Request-Id: the caller's when it is [A-Za-z0-9._-]{1,32}, else made */
    char peer[64];       /* "192.0.2.7", "::1", or "unix" */
    uint64_t started_ns; /* uv_hrtime when the first byte of the head came */
    void *user;          /* the application's */
};

struct http_callbacks {
    void (*on_head)(void *app, struct http_req *req);
    void (*on_request)(void *app, struct http_req *req);
    /* Fills `body` with the error reply's JSON. `req` may be NULL (nothing was understood). */
    void (*on_error)(void *app, const struct http_req *req, const struct err *e,
                     const char *request_id, struct buf *body);
    /* After each answered request (also malformed ones, then req may be NULL): for log and metrics.
     */
    void (*on_done)(void *app, const struct http_req *req, int status, const char *request_id,
                    uint64_t bytes_out);
};

struct http_settings {
    unsigned max_conns; /* 0: RLIMIT_NOFILE hard limit − HTTP_FD_RESERVE */
    unsigned head_ms, body_ms, idle_ms, write_ms; /* 0: the value of limits.h */
};

/* NULL and `e` on failure. `cb` and `app` must outlive the server. */
struct http_server *http_server_new(uv_loop_t *loop, const struct http_callbacks *cb, void *app,
                                    const struct http_settings *set, struct err *e);
/* Listens; may be called several times. `host` is a numeric address. port 0 takes a free one. */
bool http_listen_tcp(struct http_server *s, const char *host, int port, struct err *e);
/* `path` is removed first only if it is a socket nobody listens on; made with mode 0660. */
bool http_listen_unix(struct http_server *s, const char *path, struct err *e);
int http_server_port(const struct http_server *s); /* of the first TCP listener, 0 if none */
unsigned http_server_conns(const struct http_server *s);
/* Graceful: stops listening, closes idle connections, adds Connection: close to every answer. It is
 * over when http_server_conns is 0; streams end when the application ends them. */
void http_server_drain(struct http_server *s);
/* Closes everything at once; `closed` runs when no handle is left, the server is freed then.
 * Answers still owed may be given afterwards (they are dropped, without on_done). */
void http_server_close(struct http_server *s, void (*closed)(void *arg), void *arg);

/* First header of that (lower-case) name, or NULL. */
const char *http_header(const struct http_req *req, const char *name);

/* ---- answering ---- */
/* Adds a header to the coming answer; name and value are copied. Values with CR, LF or NUL are
 * dropped (programmer error: asserted). */
void http_add_header(struct http_req *req, const char *name, const char *value);
/* Answers. `body` is emptied (its bytes are taken); NULL means no body. `type` may be NULL.
 * Content-Length, Date, Connection and X-Request-Id are added here; HEAD sends no body but its
 * length. */
void http_reply(struct http_req *req, int status, const char *type, struct buf *body);
/* Runs once if the client goes away before the answer, never from inside this call; NULL takes it
 * back. */
void http_on_gone(struct http_req *req, void (*gone)(void *arg), void *arg);
/* True once the connection is gone (the answer will be dropped). */
bool http_gone(const struct http_req *req);

/* ---- streaming an answer of unknown length (SSE, downloads) ----
 * The request is over when this returns (its arena and everything in it is freed, `req` invalid);
 * what remains of the connection is small. Chunked for 1.1, ended by close for 1.0.
 * HEAD: the head is sent, NULL is returned and nothing more is owed. NULL also when the client is
 * gone. `cb` is copied; its members may be NULL. on_done is told now, with the head's bytes. */
struct http_stream_cb {
    void (*on_drain)(void *arg); /* what was written has left; write again if you have more */
    void (*on_close)(void *arg); /* the client is gone; the stream is invalid after this. Once. */
};
struct http_stream *http_stream_begin(struct http_req *req, int status, const char *type,
                                      const struct http_stream_cb *cb, void *arg);
/* Writes n bytes (copied only if the socket does not take them at once). True: write more if you
 * like. False: the client is slow or gone; wait for on_drain or on_close. Never calls back from
 * inside. At most LIMIT_STREAM_CHUNK a call. Who writes on after false is cut once
 * LIMIT_STREAM_QUEUE bytes wait. */
bool http_stream_write(struct http_stream *st, const void *p, size_t n);
/* Ends it well (last chunk; the connection may live on). No callback follows. */
void http_stream_end(struct http_stream *st);
/* Cuts the connection without the last chunk, so that the client sees the failure. */
void http_stream_abort(struct http_stream *st);

#endif
