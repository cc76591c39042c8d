/* internal: what the files of this folder share. Nobody outside includes it.
 *
 *   server.c   listeners, acceptance, caps, sweep, drain, close
 *   conn.c     a connection's life: states, closing, lingering, timeouts
 *   input.c    bytes from the client → requests → the application's callbacks
 *   output.c   bytes to the client: at once where the socket takes them, else queued
 *   request.c  the request in hand: its memory, headers, id, answering it
 *   reply.c    the head of an answer
 *   stream.c   answers of unknown length
 *
 * Who frees what. A connection is freed in its handle's close callback, nowhere else. A message
 * (request in hand) is freed when it is answered; when the client goes first, it is detached from
 * the connection and waits for its answer. The server is freed when it was closed, no handle is
 * left and no message is owed an answer. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include "base/buf.h"
#include "http/addr.h"
#include "http/http.h"
#include "http/link.h"
#include "http/parse.h"
#include "limits.h"

#include <uv.h>

enum http_conn_state {
    CONN_IDLE,   /* no byte of a request yet */
    CONN_HEAD,   /* a head has begun */
    CONN_BODY,   /* the head is complete, on_head may have run, the body is coming */
    CONN_BUSY,   /* the application has the whole request and owes the answer */
    CONN_STREAM, /* the application is streaming the answer */
    CONN_LINGER, /* the last answer is given: send what is queued, then read and drop until EOF */
    CONN_CLOSED  /* the handle is closing */
};

struct http_stream {
    struct http_stream_cb cb;
    void *arg;
    bool waiting; /* a write was refused or queued: on_drain is owed */
};

struct http_msg;

struct http_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } h;
    struct http_server *srv;
    struct http_link all;   /* in srv->all */
    struct http_link age;   /* in srv->idle or addr->half, oldest first */
    struct http_link ready; /* in srv->ready while buffered input waits for its turn */
    struct http_addr *addr;
    struct http_msg *msg; /* the request in hand, NULL when idle, streaming or lingering */
    struct buf in;        /* input that came while a request was in hand */
    uint64_t deadline;    /* loop time in ms when the state runs out; 0 = never */
    int queued;           /* bytes that the kernel had not got rid of at the last look */
    uint64_t moved_at;    /* loop time when the client last took bytes from the queue */
    size_t unsent;        /* the queue's size then */
    size_t dropped;       /* input thrown away while lingering */
    struct http_stream st;
    enum http_conn_state state;
    bool reading, eof;
    bool half_open;   /* counted in addr->half_open */
    bool feeding;     /* input is being parsed further up the stack */
    bool close_after; /* no further request after the answer that is being given */
    bool chunked;     /* the stream's framing */
    bool shut;        /* our side is shut down */
    char peer[46];
};

struct http_msg {
    struct http_req req;    /* first: all that the application sees */
    struct http_conn *conn; /* NULL once the client has gone */
    struct http_server *srv;
    struct http_msg *next; /* among the spares */
    struct http_parse parse;
    struct buf extra; /* headers that the application added, as they are sent */
    bool handed;      /* on_request was called: an answer is owed */
    void (*gone)(void *arg);
    void *gone_arg;
};

struct http_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } h;
    struct http_server *srv;
    struct http_listener *next;
    bool unix_socket;
    bool waiting; /* a connection is there that was not taken yet */
    bool starved; /* … for want of memory: tried again at the next sweep */
};

struct http_server {
    uv_loop_t *loop;
    const struct http_callbacks *cb;
    void *app;
    struct http_settings set; /* no zeros any more */
    unsigned conns, max_per_addr;
    unsigned handles;  /* libuv handles not closed yet */
    unsigned owed;     /* messages in use */
    unsigned accepted; /* in this turn of the loop */
    struct http_link all, idle, ready;
    struct http_listener *listeners;
    uv_timer_t sweep; /* runs while there are connections */
    uv_idle_t turn;   /* runs while something waits for the next turn */
    struct http_addrs addrs;
    struct http_msg *spare;
    unsigned spares;
    struct buf out; /* the head of the answer that is being sent */
    long long date_s;
    char date[32];
    uint64_t next_id;
    char id_prefix[17];
    bool draining, closing;
    void (*closed)(void *arg);
    void *closed_arg;
    char read_buf[HTTP_READ];
};

/* ---- conn.c ---- */
/* Takes a connection that waits on the listener; false if it has to be tried again later. */
bool http_conn_accept(struct http_listener *l);
/* Closes at once; what was owed is told in the close callback, never from inside. */
void http_conn_close(struct http_conn *c);
/* The same with a reset, so that the client cannot take what it has for the whole. */
void http_conn_reset(struct http_conn *c);
void http_conn_set_state(struct http_conn *c, enum http_conn_state to);
void http_conn_mark_half_open(struct http_conn *c);
/* The answer is given: on to the next request, or lingering when there is to be none. */
void http_conn_answered(struct http_conn *c, bool keep);
/* Called by output.c when everything queued has left. */
void http_conn_flushed(struct http_conn *c);
/* Looks at the time. */
void http_conn_sweep(struct http_conn *c, uint64_t now);
size_t http_conn_unsent(const struct http_conn *c);

/* ---- input.c ---- */
void http_input_start(struct http_conn *c); /* reads when it should and does not yet */
void http_input_stop(struct http_conn *c);
void http_input_resume(struct http_conn *c); /* parses what is buffered, then reads on */
void http_input_defer(struct http_conn *c);  /* the same in the next turn of the loop */

/* ---- output.c ---- */
/* Sends head and body (taken; may be NULL). Whatever fails closes the connection. */
void http_output_send(struct http_conn *c, const char *head, size_t n, struct buf *body);
/* Sends the pieces; true if the socket took all of them. What it did not take is copied. */
bool http_output_pieces(struct http_conn *c, const uv_buf_t *pieces, unsigned count);

/* ---- request.c ---- */
struct http_msg *http_msg_new(struct http_conn *c); /* NULL when memory is gone */
void http_msg_head(struct http_msg *m);             /* fills req from the parsed head */
void http_msg_free(struct http_msg *m);
/* The client is gone: detaches the message and tells the application if it asked. */
void http_msg_gone(struct http_msg *m);
/* Answers a malformed or late request and ends the connection. */
void http_msg_refuse(struct http_msg *m, const struct err *e);

/* ---- reply.c ---- */
struct http_reply_head {
    int status;
    const char *type;
    long long length; /* < 0: unknown */
    bool chunked;
    bool close;
};
/* Writes the head into srv->out; false when memory is gone. */
bool http_reply_head(struct http_msg *m, const struct http_reply_head *r);

/* ---- server.c ---- */
void http_server_wake(struct http_server *s); /* the turn handle runs at the next turn */
/* libuv stops listening when it could not hand a connection over. */
void http_server_listen_on(struct http_listener *l);
void http_server_handle_closed(struct http_server *s);
void http_server_msg_done(struct http_server *s);

#endif
