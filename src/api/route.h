/* route: a row says all about a route; router, access, limits, validation, openapi and the README's
 * table come from the same rows (api/routes.c). */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/call.h"
#include "http/http.h"

#include <stddef.h>
#include <stdint.h>

enum access { ACCESS_PUBLIC, ACCESS_READ, ACCESS_READ_OR_TICKET, ACCESS_WRITE, ACCESS_ADMIN };

enum param_in { PARAM_PATH, PARAM_QUERY, PARAM_BODY };
enum param_type {
    PARAM_STRING, /* max bytes in .max */
    PARAM_LABEL,  /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
    PARAM_JOB_ID, /* kind[:label]:n */
    PARAM_INT,    /* .min … .max */
    PARAM_BOOL,   /* JSON boolean; in a query: true|false|1|0 */
    PARAM_SECRET, /* string of 1..LIMIT_SECRET bytes without control characters; ≥ SECRET_MIN unless
                     .min says less */
    PARAM_CHOICE, /* one of .words */
    PARAM_WORDS,  /* one string of 1 … .max bytes, or a PARAM_LIST of them; body only */
    PARAM_LIST,   /* array of 1 to LIMIT_LIST strings of 1 … .max bytes; in a query: one string */
    PARAM_TEXT,   /* as PARAM_STRING, but lines and tabs may be in it */
    PARAM_BYTES,  /* .min to .max bytes of any value but NUL, percent-encoded in a query, where they
                     need not be UTF-8; see call_bytes */
    PARAM_NUMBERS, /* array of 1 to LIMIT_NUMBERS whole numbers, each .min … .max */
    PARAM_SECONDS, /* a number of seconds, .min … .max thousandths of one; see call_ms */
    PARAM_OBJECT,  /* a JSON object; what is in it is the handler's to judge */
};

struct param {
    const char *name;
    enum param_in in;
    enum param_type type;
    bool required;
    int64_t min, max;
    const char *help;
    const char *words; /* PARAM_CHOICE: "one|two|three" */
};

struct route {
    enum http_method method;
    const char *pattern;   /* "/jobs/{id}/log" */
    const char *operation; /* operationId */
    enum access access;
    const char *flag;           /* name of the ENABLE_* setting, or NULL */
    int rate_max, rate_s;       /* calls per seconds by identity; 0: not limited */
    size_t body_max;            /* 0: LIMIT_BODY */
    const struct param *params; /* ended by a NULL name; may be NULL */
    void (*handler)(struct call *c);
    bool compatible;   /* a path of the reference API: unknown fields are ignored and listed */
    bool awaited;      /* answers when its job has ended */
    bool starts_job;   /* refused while going down; takes an Idempotency-Key. One that may write is
                          refused while work is on hold as well, but for … */
    bool in_hold;      /* … what belongs to an emergency */
    bool dry_run_free; /* "dry_run": true is not counted by the rate limit */
    const char *rate_as; /* an alias: the operation whose limit it shares, or NULL */
    bool no_header;      /* its clients can send no X-From-NodeRed (Prometheus) */
    const char *summary;
};

extern const struct route routes[];
extern const size_t route_count;

/* Hooks for http_callbacks; app is a struct app. */
void router_on_head(void *app, struct http_req *req);
void router_on_request(void *app, struct http_req *req);
void router_on_error(void *app, const struct http_req *req, const struct err *e,
                     const char *request_id, struct buf *body);
void router_on_done(void *app, const struct http_req *req, int status, const char *request_id,
                    uint64_t bytes_out);

#endif
