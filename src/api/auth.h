/* auth: who asks. Tokens, the header of the reference API, failures by address, stream tickets.
 *
 * Owns copies of the tokens and the table of failures (bounded). Every candidate is compared with
 * every token, in constant time. Loop's thread only. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/call.h"
#include "base/err.h"
#include "config.h"
#include "http/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth;

struct auth *auth_new(const struct config *c, struct err *e);
void auth_free(struct auth *a); /* wipes; NULL is a no-op */

struct auth_who {
    enum role role;
    char identity[24];       /* "write", "read", …: no secret */
    unsigned retry_after_s;  /* of ERR_RATE_LIMITED */
    bool invalid_credential; /* one was given and is wrong (for WWW-Authenticate) */
};

/* How a route takes its callers. */
struct auth_need {
    bool read;        /* X-Progress-Token counts as well */
    bool no_header;   /* the caller cannot send X-From-NodeRed */
    const char *job;  /* a ticket for this job counts as well; NULL: none does */
    const char *sent; /* the ticket that came, or NULL */
};

/* Fills `who`. False and ERR_UNAUTHORIZED without a valid credential, or ERR_RATE_LIMITED when the
 * address has sent too many wrong ones; what the role may do is the caller's to judge. `now_ms` is
 * a steady clock. */
bool auth_check(struct auth *a, const struct http_req *req, const struct auth_need *need,
                uint64_t now_ms, struct auth_who *who, struct err *e);

/* ---- tickets: EventSource cannot set headers, so stream addresses carry one ---- */
enum { AUTH_TICKET = 44 }; /* characters and a NUL */
void auth_ticket(const struct auth *a, const char *job, char out[AUTH_TICKET]);
bool auth_ticket_ok(const struct auth *a, const char *job, const char *ticket);

/* A key of its own for another use, derived from the write token: 32 bytes. */
void auth_key(const struct auth *a, const char *use, unsigned char out[32]);

#endif
