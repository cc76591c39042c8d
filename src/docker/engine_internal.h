/* engine_internal: shared by the files of docker/engine and docker/exec only. */
#ifndef DOCKER_ENGINE_INTERNAL_H
#define DOCKER_ENGINE_INTERNAL_H

#include "base/buf.h"
#include "docker/engine.h"
#include "docker/frames.h"

#include <curl/curl.h>

/* What a socket proxy allows one by one (docker-socket-proxy's names). */
enum engine_need {
    NEED_PING = 1,
    NEED_VERSION = 2,
    NEED_CONTAINERS = 4,
    NEED_EXEC = 8,
    NEED_POST = 16,
    NEED_EVENTS = 32,
    NEED_VOLUMES = 64,
    NEED_SYSTEM = 128,
};

/* How a stream's bytes come. */
enum engine_framing {
    FRAMING_NONE,
    FRAMING_ALWAYS, /* an exec without a terminal, whatever its Content-Type says (moby) */
    FRAMING_BY_TYPE /* logs: in frames but where the container has a terminal */
};

/* One request. Strings are borrowed for the call. */
struct engine_ask {
    const char *method;
    const char *path;      /* after the version: "/containers/json?all=1" */
    const char *body;      /* JSON, or NULL */
    unsigned needs;        /* enum engine_need */
    unsigned ms;           /* for the whole answer; of a stream for its head; 0: ENGINE_CALL_MS */
    const char *container; /* a 404 means this one; or NULL */
    bool unversioned;
    bool forgettable; /* a 404 is ERR_NOT_FOUND: the Engine does not know it (any more) */
    enum engine_framing framing;
};

struct engine {
    const struct task *task; /* or NULL */
    unsigned call_ms;        /* ENGINE_CALL_MS; tests are less patient */
    CURLM *multi;
    char *socket;                /* NULL: by tcp */
    char *base;                  /* "http://host:port" */
    struct curl_slist *resolved; /* tcp: the host's addresses, for CURLOPT_RESOLVE */
    bool negotiated;
    char version[16]; /* "/v1.41", or "" where none could be negotiated */
    unsigned proven;  /* needs that some answer has shown to be allowed */
    char hint[320];
    struct engine_stream *transfers; /* all, streams and calls alike */
    bool inside;                     /* of curl or of a sink: nothing may be freed */
    bool moved;                      /* in this turn something came or ended */
    bool said;                       /* a stream has said something since engine_wait last looked */
};

/* A transfer: a stream with its sink, or a call that is waited for. */
struct engine_stream {
    struct engine *en;
    struct engine_stream *next;
    CURL *easy;
    struct curl_slist *headers;
    char *sent;      /* the body */
    struct buf body; /* a call's answer; of a stream only one that is an error */
    char error[CURL_ERROR_SIZE];
    bool is_stream;
    enum engine_framing framing;
    bool headed; /* the answer's head is complete */
    bool opened; /* handed out: its sink may be told now … */
    bool paused; /* … what came before is waiting in curl */
    bool over;   /* curl has done with it */
    bool closed; /* by its owner: to be freed */
    bool told;   /* its end */
    bool garbled;
    CURLcode result;
    int status;
    char api_version[16]; /* the answer's header Api-Version */
    struct frames frames;
    struct engine_sink sink;
};

/* ---- engine_transfer.c ---- */
/* Starts it; `sink` NULL: a call. NULL and `e`. */
struct engine_stream *engine_begin(struct engine *en, const struct engine_ask *a,
                                   const struct engine_sink *sink, struct err *e);
/* Serves everything for at most `ms`, returns when something has happened. False: to stop. */
bool engine_turn(struct engine *en, unsigned ms);
void engine_end(struct engine_stream *s); /* frees it; not from inside */

/* ---- engine_ask.c ---- */
/* The whole answer of status 2xx and 304, into `body` (buf_init'ed; wiped by the caller). */
bool engine_ask(struct engine *en, const struct engine_ask *a, int *status, struct buf *body,
                struct err *e);
json_t *engine_ask_json(struct engine *en, const struct engine_ask *a, struct err *e);
/* Negotiates the version if that has not been done; for streams. */
bool engine_ready(struct engine *en, struct err *e);
/* Runs until the answer's head is there. False: the stream is freed. */
bool engine_await_head(struct engine_stream *s, const struct engine_ask *a, struct err *e);
/* Opens a stream: all of the above. */
struct engine_stream *engine_open_stream(struct engine *en, const struct engine_ask *a,
                                         const struct engine_sink *sink, struct err *e);

/* ---- engine_fault.c ---- */
/* Each fills e and the hint and returns false. */
bool engine_fault_transport(const struct engine_stream *s, struct err *e);
bool engine_fault_status(struct engine *en, const struct engine_ask *a, int status,
                         const struct buf *body, struct err *e);
bool engine_fault_unknown_host(struct engine *en, const char *name, struct err *e);
bool engine_fault_timeout(struct engine *en, const struct engine_ask *a, struct err *e);
bool engine_fault_stopped(struct engine *en, struct err *e);

uint64_t engine_now_ms(void);

#endif
