/* call: one API request on its way from the route's row to its handler, and the answers.
 *
 * The router fills it, checks access, flags, limits and parameters from the row, and hands it to
 * the handler; the handler answers exactly once through the functions below, now or later. The call
 * lives in the request's arena and ends with the answer. Loop's thread only. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/app.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/secret.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct route;
struct idem;
struct job;

enum {
    CALL_PATH_VALUES = 4, /* {…} in one pattern */
    CALL_FAULTS = 16,     /* faults of one request that are listed */
    CALL_IGNORED = 16,    /* unknown fields that are listed */
    CALL_SECRETS = 4,
    CALL_BYTES = 2,
};

struct call_fault {
    const char *field, *message; /* in the request's arena */
};

enum role { ROLE_NONE, ROLE_TICKET, ROLE_READ, ROLE_ACTION, ROLE_WRITE, ROLE_ADMIN };
const char *role_name(enum role r);

struct call {
    struct app *app;
    struct http_req *req;
    const struct route *route;
    enum role role;    /* who asks; ROLE_NONE on public routes without a token */
    char identity[24]; /* stable short name of the token in use, for limits and logs; no secret */
    json_t *body;      /* an object ({} when empty), without its secrets */
    json_t *params;    /* validated values by name: path, query and body; secrets left out */
    const char *ignored[CALL_IGNORED]; /* unknown fields of a compatible route */
    size_t ignored_count;
    struct {
        const char *name;
        struct secret *value;
    } secrets[CALL_SECRETS];
    size_t secret_count;
    struct {
        const char *name, *value; /* in the request's arena */
    } bytes[CALL_BYTES];
    size_t bytes_count;
    bool prefer_async, prefer_strict;
    int prefer_wait_s; /* Prefer: wait=N, −1: not asked */
    /* Adds members to the answer of an awaited job that ended well; set by the handler, or NULL. */
    void (*members)(struct call *c, struct jsonw *w, const struct job *j);
    /* The same for one that ended badly. */
    void (*fault_members)(struct call *c, struct jsonw *w, const struct job *j);
    /* Answers when the time that the answer waits is over and the job is not; NULL: 202. */
    void (*late)(struct call *c, struct job *j);
    void *state; /* the handler's own, in the arena */
    const char
        *idempotency_key; /* for job_spec, with call_fingerprint (api/idempotency); or NULL */

    /* The router's and the answers' own. */
    const char *path_values[CALL_PATH_VALUES]; /* still encoded, as long as path_lengths says */
    size_t path_lengths[CALL_PATH_VALUES];
    struct call_fault faults[CALL_FAULTS];
    size_t fault_count;
    unsigned retry_after_s;
    bool invalid_credential;
    struct idem *idem;
};

/* Values of parameters: declared in the row, already of the right type and range. */
const char *call_str(const struct call *c, const char *name, const char *fallback);
int64_t call_int(const struct call *c, const char *name, int64_t fallback);
/* PARAM_SECONDS, in milliseconds. */
int64_t call_ms(const struct call *c, const char *name, int64_t fallback_ms);
bool call_bool(const struct call *c, const char *name, bool fallback);
bool call_has(const struct call *c, const char *name);
/* PARAM_LIST, PARAM_WORDS, PARAM_NUMBERS, PARAM_OBJECT: the value itself, borrowed; NULL when not
 * given. */
const json_t *call_json(const struct call *c, const char *name);
/* PARAM_BYTES: the bytes, ended by a NUL; call_str gives them percent-encoded. */
const char *call_bytes(const struct call *c, const char *name, const char *fallback);
/* The parameters as a job's record shows them: without secrets, objects and texts. */
void call_params(const struct call *c, struct buf *out);
const struct secret *call_secret(const struct call *c, const char *name); /* borrowed; or NULL */

/* Zeroed memory that lives as long as the request; NULL when there is none: answered then. */
void *call_alloc(struct call *c, size_t n);

/* ---- answers ----
 * The call is over with the answer: nothing of it may be used afterwards. */
/* Begins {"ok":true, or {"ok":false, in `b`; write members with `w`; then call_reply. */
void call_begin(struct call *c, struct buf *b, struct jsonw *w, bool ok);
/* Ends the object (adds "ignored" when there is something) and answers. */
void call_reply(struct call *c, int status, struct buf *b, struct jsonw *w);
/* {"ok":false,"error":…,"message":…,"request_id":…[,"errors":[{"field","message"}]]} with the
 * status of the code; 401 gets WWW-Authenticate, 503 Retry-After. */
void call_error(struct call *c, const struct err *e);
/* The error of a request there is no memory for. */
void call_error_memory(struct call *c);
/* The same with the id of the job concerned as "job_id" (may be NULL). */
void call_error_job(struct call *c, const struct err *e, const char *job_id);
/* call_error and more members: begin, add, call_reply with err_status(e->code). */
void call_begin_error(struct call *c, struct buf *b, struct jsonw *w, const struct err *e);
/* Answers with a body of another type (emptied), or with none (type and body NULL). */
void call_send(struct call *c, int status, const char *type, struct buf *body);
/* Begins a streamed answer, as http_stream_begin. */
struct http_stream *call_stream(struct call *c, int status, const char *type,
                                const struct http_stream_cb *cb, void *arg);

/* The job's addresses: "sse" and "poll" members, with a ticket. */
void call_job_links(struct call *c, struct jsonw *w, const char *job_id);
/* "job": its record. */
void call_job_record(struct jsonw *w, const struct job *j);

/* One line of the audit log for this call (policy/audit.h); reason and job_id may be NULL. False
 * when it cannot be written: answered with 503 then, and nothing must be done. */
bool call_audit(struct call *c, const char *action, const char *label, const char *reason,
                const char *job_id, const char *outcome);

/* The same for what has been done already: when it cannot be written the call goes on. */
bool call_audit_note(struct call *c, const char *action, const char *label, const char *job_id,
                     const char *outcome);

/* Answers when the job ends: 200 {"ok":true,"job_id",…,"returncode","stdout","stderr"} and what
 * c->members adds for succeeded and warning, else the status of its error with "job_id" and the
 * verdict. `wait_s` 0: as
 * long as it takes; past it the answer is 202 with the job. A client that goes away cancels a
 * reading job nobody else waits for. */
void call_await_job(struct call *c, struct job *j, int wait_s);
/* The call that waits for the job (the first of them), taken from the waiting: the caller answers
 * it now. NULL when nobody waits. */
struct call *call_await_take(struct app *app, struct job *j);
/* For c->late: 200 with "pending":true, the job, its addresses, and what c->members (not NULL)
 * adds. */
void call_job_pending(struct call *c, struct job *j);
/* {"ok":true,"job_id","state","pid","sse","poll"} with 202 and Location: for Prefer:
 * respond-async, and for what a replayed Idempotency-Key finds. */
void call_job_started(struct call *c, int status, const struct job *j);

#endif
