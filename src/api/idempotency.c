#include "api/idempotency.h"

#include "api/auth.h"
#include "api/route.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/store.h"

#include <sodium.h>
#include <string.h>

enum { FINGERPRINT = 32 };

/* A key in hand; in the request's arena. */
struct idem {
    struct idem *next; /* in app->idem */
    void (*go)(struct call *c);
    const char *key;
    char fingerprint[2 * FINGERPRINT + 1];
};

void idempotency_over(struct call *c)
{
    if (!c->idem)
        return;
    struct idem **p = &c->app->idem;
    while (*p && *p != c->idem)
        p = &(*p)->next;
    if (*p)
        *p = c->idem->next;
    c->idem = NULL;
}

/* Secrets are left out on purpose: their hash must not lie on the disk either. */
static bool fingerprint(const struct call *c, char *out, struct err *e)
{
    unsigned char key[32], hash[FINGERPRINT];
    char *params = json_dumps(c->params, JSON_SORT_KEYS | JSON_COMPACT);
    if (!params)
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    auth_key(c->app->auth, "idempotency v1", key);
    crypto_generichash_state st;
    (void)crypto_generichash_init(&st, key, sizeof key, sizeof hash);
    const char *parts[] = {c->route->operation, c->req->path, params};
    for (size_t i = 0; i < 3; i++)
        (void)crypto_generichash_update(&st, (const unsigned char *)parts[i], strlen(parts[i]) + 1);
    (void)crypto_generichash_final(&st, hash, sizeof hash);
    (void)sodium_bin2hex(out, 2 * FINGERPRINT + 1, hash, sizeof hash);
    sodium_memzero(key, sizeof key);
    mem_free(params);
    return true;
}

const char *call_fingerprint(const struct call *c)
{
    return c->idempotency_key && c->idem ? c->idem->fingerprint : NULL;
}

/* ---- replays ---- */

/* What an awaited request is answered for a job that only the store remembers: the record has no
 * code of ours, its state says enough. */
static enum err_code error_of(const char *name)
{
    static const enum err_code codes[JOB_STATES] = {[JOB_FAILED] = ERR_COMMAND_FAILED,
                                                    [JOB_TIMED_OUT] = ERR_TIMEOUT,
                                                    [JOB_CANCELLED] = ERR_JOB_CANCELLED,
                                                    [JOB_INTERRUPTED] = ERR_INTERRUPTED};
    enum job_state state;
    return job_state_parse(name, &state) ? codes[state] : ERR_NONE;
}

static void say_sentence(const struct store_job *row, enum err_code code, struct err *e)
{
    json_t *record = row->record ? json_parse(row->record, strlen(row->record), NULL) : NULL;
    (void)err_set(
        e, code, "%s",
        json_get_str(json_object_get(record, "verdict"), "sentence", "the job did not end well"));
    json_decref(record);
}

static void replay_row(void *arg, bool found, const struct store_job *row)
{
    struct call *c = arg;
    struct err e = {0};
    if (!found) { /* its record has been thrown away since */
        (void)err_set(&e, ERR_NOT_FOUND, "the job made for this Idempotency-Key is kept no longer");
        call_error(c, &e);
        return;
    }
    enum err_code code = c->route->awaited && !c->prefer_async ? error_of(row->state) : ERR_NONE;
    struct buf b;
    struct jsonw w;
    if (code != ERR_NONE) {
        say_sentence(row, code, &e);
        call_begin_error(c, &b, &w, &e);
    } else {
        call_begin(c, &b, &w, true);
    }
    jsonw_kstr(&w, "job_id", row->id);
    jsonw_kstr(&w, "state", row->state);
    jsonw_key(&w, "pid");
    jsonw_null(&w);
    call_job_links(c, &w, row->id);
    jsonw_kraw(&w, "job", row->record);
    call_reply(c, err_status(code), &b, &w);
}

static void replay(struct call *c, const char *job)
{
    http_add_header(c->req, "Idempotency-Replayed", "true");
    struct job *j = jobs_find(c->app->jobs, job);
    if (j && c->route->awaited && !c->prefer_async)
        call_await_job(c, j, c->prefer_wait_s > 0 ? c->prefer_wait_s : 0);
    else if (j)
        call_job_started(c, c->prefer_async ? 202 : 200, j);
    else
        store_job_get(c->app->store, job, replay_row, c);
}

static void got_key(void *arg, bool found, const char *print, const char *job)
{
    struct call *c = arg;
    struct idem *d = c->idem;
    const struct err *failed = store_read_error(c->app->store);
    struct err e = {0};
    if (failed) {
        call_error(c, failed);
    } else if (!found) {
        c->idempotency_key = d->key;
        d->go(c);
    } else if (strcmp(print, d->fingerprint) == 0) {
        replay(c, job);
    } else {
        (void)err_set(&e, ERR_KEY_REUSED,
                      "this Idempotency-Key was used for another request already");
        call_error(c, &e);
    }
}

static bool in_hand(const struct app *app, const char *key)
{
    for (const struct idem *d = app->idem; d; d = d->next)
        if (strcmp(d->key, key) == 0)
            return true;
    return false;
}

void call_idempotent(struct call *c, void (*go)(struct call *c))
{
    struct err e = {0};
    if (!c->idempotency_key) {
        go(c);
        return;
    }
    struct idem *d = arena_alloc(&c->req->arena, sizeof *d);
    const char *key = arena_printf(&c->req->arena, "%s:%s", c->identity, c->idempotency_key);
    if (!d || !key) {
        (void)err_set(&e, ERR_NO_MEMORY, "out of memory");
    } else if (in_hand(c->app, key)) {
        (void)err_set(&e, ERR_IN_FLIGHT, "a request with this Idempotency-Key is still in hand");
    } else if (fingerprint(c, d->fingerprint, &e)) {
        d->next = c->app->idem;
        d->go = go;
        d->key = key;
        c->idem = c->app->idem = d;
        c->idempotency_key = NULL;
        store_key_get(c->app->store, key, got_key, c);
        return;
    }
    call_error(c, &e);
}
