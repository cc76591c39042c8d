#include "api/auth.h"

#include "api/auth_fail.h"
#include "base/mem.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TOKENS = 3, CREDENTIALS = 2 };

struct auth {
    struct {
        struct secret *secret;
        enum role role;
        const char *identity;
    } tokens[TOKENS];
    size_t count;
    struct secret *header; /* what X-From-NodeRed must be; NULL: it is not looked at */
    unsigned char ticket_key[32];
    struct auth_fail fail;
};

const char *role_name(enum role r)
{
    static const char *const names[] = {"none", "ticket", "read", "action", "write", "admin"};
    return names[r];
}

/* ---- keys ---- */

static void hmac(const void *key, size_t key_len, const char *const *parts, size_t n,
                 unsigned char out[32])
{
    crypto_auth_hmacsha256_state st;
    (void)crypto_auth_hmacsha256_init(&st, key, key_len);
    for (size_t i = 0; i < n; i++) /* each part with its NUL: no two lists give the same bytes */
        (void)crypto_auth_hmacsha256_update(&st, (const unsigned char *)parts[i],
                                            strlen(parts[i]) + 1);
    (void)crypto_auth_hmacsha256_final(&st, out);
    sodium_memzero(&st, sizeof st);
}

void auth_key(const struct auth *a, const char *use, unsigned char out[32])
{
    const struct secret *first = a->tokens[0].secret; /* the one that may do everything */
    hmac(secret_bytes(first), secret_len(first), &use, 1, out);
}

static bool add_token(struct auth *a, const struct secret *s, enum role role, const char *identity)
{
    if (!s)
        return true;
    a->tokens[a->count].secret = secret_dup(s);
    a->tokens[a->count].role = role;
    a->tokens[a->count].identity = identity;
    return a->tokens[a->count++].secret != NULL;
}

struct auth *auth_new(const struct config *c, struct err *e)
{
    struct auth *a = mem_zalloc(sizeof *a);
    bool ok = a != NULL;
    const struct secret *first = c->secure_mode ? c->api_admin_token : c->api_token;
    if (ok && c->secure_mode)
        ok = add_token(a, first, ROLE_ADMIN, "admin") &&
             add_token(a, c->api_action_token, ROLE_ACTION, "action");
    else if (ok)
        ok = add_token(a, first, ROLE_WRITE, "write");
    ok = ok && add_token(a, c->api_read_token, ROLE_READ, "read");
    if (ok && (!c->secure_mode || c->from_header_set)) {
        a->header = secret_new(c->from_header, strlen(c->from_header));
        ok = a->header != NULL;
    }
    if (!ok) {
        auth_free(a);
        (void)err_set(e, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    auth_fail_init(&a->fail);
    auth_key(a, "sse-ticket v1", a->ticket_key);
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        secret_free(a->tokens[i].secret);
    secret_free(a->header);
    sodium_memzero(a, sizeof *a);
    mem_free(a);
}

/* ---- tickets ---- */

void auth_ticket(const struct auth *a, const char *job, char out[AUTH_TICKET])
{
    unsigned char mac[32];
    const char *parts[] = {job, role_name(ROLE_READ)};
    hmac(a->ticket_key, sizeof a->ticket_key, parts, 2, mac);
    (void)sodium_bin2base64(out, AUTH_TICKET, mac, sizeof mac,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(mac, sizeof mac);
}

bool auth_ticket_ok(const struct auth *a, const char *job, const char *ticket)
{
    char right[AUTH_TICKET];
    auth_ticket(a, job, right);
    bool ok =
        strlen(ticket) == AUTH_TICKET - 1 && sodium_memcmp(right, ticket, AUTH_TICKET - 1) == 0;
    sodium_memzero(right, sizeof right);
    return ok;
}

/* ---- requests ---- */

/* The token of "Bearer <token>", or NULL. */
static const char *bearer(const char *value)
{
    if (!value || strncasecmp(value, "Bearer ", 7) != 0)
        return NULL;
    value += 7;
    return value + strspn(value, " ");
}

/* All candidates against all tokens, whatever the first of them said; the second candidate
 * (X-Progress-Token) is for the read token only. */
static int match(const struct auth *a, const char *const *given)
{
    int found = -1;
    for (size_t g = 0; g < CREDENTIALS; g++) {
        size_t n = given[g] ? strlen(given[g]) : 0;
        for (size_t i = 0; i < a->count; i++) {
            bool same = secret_equal_bytes(a->tokens[i].secret, given[g] ? given[g] : "", n);
            bool counts = g == 0 || a->tokens[i].role == ROLE_READ;
            if (same && counts && found < 0)
                found = (int)i;
        }
    }
    return found;
}

static bool refuse(struct auth *a, const struct http_req *req, bool given, uint64_t now_ms,
                   struct auth_who *who, struct err *e)
{
    if (!given)
        return err_set(e, ERR_UNAUTHORIZED, "a token is needed: Authorization: Bearer <token>");
    who->invalid_credential = true;
    who->retry_after_s = auth_fail_add(&a->fail, req->peer, now_ms);
    if (who->retry_after_s)
        return err_set(e, ERR_RATE_LIMITED, "too many wrong tokens from this address");
    return err_set(e, ERR_UNAUTHORIZED, "the token is wrong");
}

bool auth_check(struct auth *a, const struct http_req *req, const struct auth_need *need,
                uint64_t now_ms, struct auth_who *who, struct err *e)
{
    *who = (struct auth_who){.role = ROLE_NONE};
    const char *given[CREDENTIALS] = {
        bearer(http_header(req, "authorization")),
        need->read ? http_header(req, "x-progress-token") : NULL,
    };
    const char *from = http_header(req, "x-from-nodered");
    bool header_ok =
        !a->header || secret_equal_bytes(a->header, from ? from : "", from ? strlen(from) : 0);
    bool any = given[0] || given[1];
    int found = match(a, given);
    if (found < 0 && !any && need->sent && need->job) {
        if (!auth_ticket_ok(a, need->job, need->sent))
            return refuse(a, req, true, now_ms, who, e);
        who->role = ROLE_TICKET;
        (void)snprintf(who->identity, sizeof who->identity, "ticket");
        return true;
    }
    if (found < 0)
        return refuse(a, req, any || need->sent, now_ms, who, e);
    if (!header_ok && !need->no_header)
        return err_set(e, ERR_UNAUTHORIZED,
                       "the header X-From-NodeRed is missing or not as configured");
    who->role = a->tokens[found].role;
    (void)snprintf(who->identity, sizeof who->identity, "%s", a->tokens[found].identity);
    return true;
}
