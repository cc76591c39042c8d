#include "api/params.h"

#include "api/param_value.h"
#include "api/query.h"
#include "base/json.h"
#include "base/nearest.h"
#include "limits.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- headers ---- */

static bool word_is(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && strncasecmp(s, word, n) == 0;
}

static void prefer_one(struct call *c, const char *s, size_t n)
{
    if (word_is(s, n, "respond-async"))
        c->prefer_async = true;
    else if (word_is(s, n, "handling=strict"))
        c->prefer_strict = true;
    else if (n > 5 && n < 12 && strncasecmp(s, "wait=", 5) == 0 && s[5] >= '0' && s[5] <= '9')
        c->prefer_wait_s = (int)strtol(s + 5, NULL, 10);
    if (c->prefer_wait_s == 0) /* no time at all is not waiting */
        c->prefer_wait_s = -1;
}

/* "respond-async, wait=30": what is not known is ignored, as RFC 7240 wants. */
static void read_prefer(struct call *c)
{
    const char *s = http_header(c->req, "prefer");
    c->prefer_wait_s = -1;
    while (s && *s) {
        s += strspn(s, " \t,;");
        size_t n = strcspn(s, " \t,;");
        prefer_one(c, s, n);
        s += n;
    }
}

bool params_headers(struct call *c, struct err *e)
{
    read_prefer(c);
    const char *key = http_header(c->req, "idempotency-key");
    if (!key || !c->route->starts_job)
        return true;
    size_t n = strlen(key);
    if (n >= 2 && key[0] == '"' && key[n - 1] == '"') {
        key = arena_strndup(&c->req->arena, key + 1, n - 2);
        n -= 2;
        if (!key)
            return err_set(e, ERR_NO_MEMORY, "out of memory");
    }
    bool ok = n >= 1 && n <= 128;
    for (size_t i = 0; ok && i < n; i++)
        ok = key[i] > 0x20 && key[i] < 0x7F;
    if (!ok)
        return err_field(e, ERR_BAD_REQUEST, "Idempotency-Key",
                         "must be 1 to 128 visible ASCII characters");
    c->idempotency_key = key;
    return true;
}

/* ---- the body as a whole ---- */

/* curl -d says "form", others say nothing: a JSON text is read under these names too. */
static bool media_ok(const char *type)
{
    if (!type || !*type)
        return true;
    size_t n = strcspn(type, "; \t");
    if (word_is(type, n, "application/json") ||
        word_is(type, n, "application/x-www-form-urlencoded"))
        return true;
    return strncasecmp(type, "text/", 5) == 0 ||
           (n > 5 && strncasecmp(type, "application/", 12) == 0 &&
            strncasecmp(type + n - 5, "+json", 5) == 0);
}

bool params_body(struct call *c, struct err *e)
{
    const struct http_req *req = c->req;
    bool has_none =
        req->method == HTTP_M_GET || req->method == HTTP_M_HEAD || req->method == HTTP_M_DELETE;
    if (has_none || req->body_len == 0) { /* of a GET the body means nothing */
        c->body = json_object();
        return c->body || err_set(e, ERR_NO_MEMORY, "out of memory");
    }
    if (!media_ok(http_header(req, "content-type")))
        return err_set(e, ERR_UNSUPPORTED_MEDIA, "the body must be application/json");
    c->body = json_parse(req->body, req->body_len, e);
    if (!c->body)
        return false;
    if (!json_is_object(c->body))
        return err_set(e, ERR_INVALID_JSON, "the body must be a json object");
    return true;
}

/* ---- faults ---- */

static void fault(struct call *c, struct err *first, const struct err *e)
{
    struct arena *a = &c->req->arena;
    if (first->code == ERR_NONE)
        *first = *e;
    else if (first->code == ERR_INVALID_SECRETS) /* it gives way to any other */
        first->code = e->code;
    if (c->fault_count == CALL_FAULTS)
        return;
    const char *field = arena_strndup(a, e->field, strlen(e->field));
    const char *message = arena_strndup(a, e->msg, strlen(e->msg));
    if (field && message)
        c->faults[c->fault_count++] = (struct call_fault){field, message};
}

/* ---- names ---- */

static const struct param *param_of(const struct route *r, const char *name, enum param_in in)
{
    for (const struct param *p = r->params; p && p->name; p++)
        if (p->in == in && strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* A slip of the finger: one letter in short names, two in others. */
static const char *meant(const struct route *r, const char *name, enum param_in in)
{
    for (const struct param *p = r->params; p && p->name; p++)
        if (p->in == in && nearest_distance(p->name, name) <= (strlen(p->name) > 4 ? 2 : 1))
            return p->name;
    return NULL;
}

static void unknown_name(struct call *c, const char *name, enum param_in in, struct err *first)
{
    struct err e = {0};
    const char *near = meant(c->route, name, in);
    if (near)
        (void)err_field(&e, ERR_BAD_REQUEST, name, "unknown; did you mean \"%s\"?", near);
    else if (!c->route->compatible || c->prefer_strict)
        (void)err_field(&e, ERR_BAD_REQUEST, name, "unknown");
    if (e.code != ERR_NONE) {
        fault(c, first, &e);
        return;
    }
    const char *copy = arena_strndup(&c->req->arena, name, strlen(name));
    if (copy && c->ignored_count < CALL_IGNORED)
        c->ignored[c->ignored_count++] = copy;
}

/* ---- values ---- */

static void take_text(struct call *c, const struct param *p, const char *text, struct err *first)
{
    struct err e = {0};
    json_t *v = param_from_text(p, text, &e);
    if (v && json_object_set_new(c->params, p->name, v) == 0)
        return;
    if (e.code == ERR_NONE)
        (void)err_set(&e, ERR_NO_MEMORY, "out of memory");
    fault(c, first, &e);
}

/* Kept as they are beside the parameters, which show them percent-encoded. */
static void take_bytes(struct call *c, const struct param *p, const char *bytes, struct err *first)
{
    struct err e = {0};
    struct buf shown;
    buf_init(&shown, LIMIT_ARENA);
    bool ok = param_bytes_ok(p, bytes, &e);
    if (ok && c->bytes_count == CALL_BYTES)
        ok = err_set(&e, ERR_INTERNAL, "too many");
    if (ok) {
        query_encode(&shown, bytes);
        c->bytes[c->bytes_count].name = p->name;
        c->bytes[c->bytes_count].value = arena_strndup(&c->req->arena, bytes, strlen(bytes));
        ok = (c->bytes[c->bytes_count++].value && !shown.failed &&
              json_object_set_new(c->params, p->name, json_string(buf_str(&shown))) == 0) ||
             err_set(&e, ERR_NO_MEMORY, "out of memory");
    }
    buf_done(&shown);
    if (!ok)
        fault(c, first, &e);
}

static void check_path(struct call *c, struct err *first)
{
    size_t i = 0;
    for (const struct param *p = c->route->params; p && p->name; p++) {
        if (p->in != PARAM_PATH)
            continue;
        struct err e = {0};
        const char *text =
            query_decode(&c->req->arena, c->path_values[i], c->path_lengths[i], false, &e);
        if (text) {
            take_text(c, p, text, first);
        } else {
            (void)err_field(&e, e.code, p->name, "%s", "must be percent-encoded utf-8");
            fault(c, first, &e);
        }
        i++;
    }
}

static void check_query(struct call *c, struct err *first)
{
    struct query_arg args[LIMIT_QUERY_ARGS];
    size_t n = 0;
    struct err e = {0};
    if (!*c->req->query)
        return;
    if (!query_parse(&c->req->arena, c->req->query, args, LIMIT_QUERY_ARGS, &n, &e)) {
        fault(c, first, &e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct param *p = param_of(c->route, args[i].name, PARAM_QUERY);
        if (p && p->type == PARAM_BYTES) {
            take_bytes(c, p, args[i].value, first);
        } else if (!args[i].text) {
            (void)err_field(&e, ERR_BAD_REQUEST, args[i].name, "must be percent-encoded utf-8");
            fault(c, first, &e);
        } else if (p) {
            take_text(c, p, args[i].value, first);
        } else {
            unknown_name(c, args[i].name, PARAM_QUERY, first);
        }
    }
}

static bool take_secret(struct call *c, const struct param *p, const json_t *v, struct err *e)
{
    const char *s = json_string_value(v);
    if (c->secret_count == CALL_SECRETS)
        return err_set(e, ERR_INTERNAL, "too many secrets");
    struct secret *copy = secret_new(s, strlen(s));
    if (!copy)
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    c->secrets[c->secret_count].name = p->name;
    c->secrets[c->secret_count++].value = copy;
    return true;
}

static void take_json(struct call *c, const struct param *p, json_t *v, struct err *first)
{
    struct err e = {0};
    if (json_is_null(v) && !p->required) /* null is "not given" */
        return;
    bool ok = param_json_ok(p, v, &e);
    if (ok && p->type == PARAM_BYTES) {
        take_bytes(c, p, json_string_value(v), first);
        return;
    }
    if (ok && p->type == PARAM_SECRET)
        ok = take_secret(c, p, v, &e);
    else if (ok && json_object_set(c->params, p->name, v) != 0)
        ok = err_set(&e, ERR_NO_MEMORY, "out of memory");
    if (!ok)
        fault(c, first, &e);
}

static void check_body(struct call *c, struct err *first)
{
    const char *name;
    json_t *v;
    json_object_foreach(c->body, name, v)
    {
        const struct param *p = param_of(c->route, name, PARAM_BODY);
        if (p)
            take_json(c, p, v, first);
        else
            unknown_name(c, name, PARAM_BODY, first);
    }
    for (const struct param *p = c->route->params; p && p->name; p++)
        if (p->type == PARAM_SECRET)
            (void)json_object_del(c->body, p->name);
}

static void check_required(struct call *c, struct err *first)
{
    for (const struct param *p = c->route->params; p && p->name; p++) {
        if (!p->required || call_has(c, p->name))
            continue;
        bool faulty = false; /* given, and refused for another reason */
        for (size_t i = 0; i < c->fault_count; i++)
            faulty = faulty || strcmp(c->faults[i].field, p->name) == 0;
        struct err e = {0};
        (void)err_field(&e, ERR_BAD_REQUEST, p->name, "%s required", p->name);
        if (!faulty)
            fault(c, first, &e);
    }
}

/* Two secrets that are one: who learns the passphrase of the key has the repository's as well. */
static void check_distinct(struct call *c, struct err *first)
{
    for (size_t i = 0; i < c->secret_count; i++) {
        for (size_t k = i + 1; k < c->secret_count; k++) {
            struct err e = {0};
            if (!secret_equal(c->secrets[i].value, c->secrets[k].value))
                continue;
            (void)err_field(&e, ERR_INVALID_SECRETS, c->secrets[k].name,
                            "%s and %s must not be equal", c->secrets[i].name, c->secrets[k].name);
            fault(c, first, &e);
        }
    }
}

bool params_check(struct call *c, struct err *e)
{
    struct err first = {0};
    if (!(c->params = json_object()))
        return err_set(e, ERR_NO_MEMORY, "out of memory");
    check_path(c, &first);
    check_query(c, &first);
    if (json_object_size(c->body) || c->req->method == HTTP_M_POST || c->req->method == HTTP_M_PUT)
        check_body(c, &first);
    check_required(c, &first);
    check_distinct(c, &first);
    if (first.code == ERR_NONE)
        return true;
    *e = first;
    return false;
}
