#include "api/handlers/docker.h"
#include "base/json.h"
#include "limits.h"

#include <string.h>

/* Names that the reference API blocked one by one. Here nothing passes but what is listed. */
static const char *const blocked[] = {"ash",  "bash", "chmod", "chown", "dd",   "fish", "kill",
                                      "mkfs", "rm",   "sh",    "su",    "sudo", "zsh"};

void docker_whitelist(struct call *c)
{
    const struct whitelist *list = &c->app->aio.whitelist;
    struct buf b;
    struct jsonw w;
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "whitelist");
    whitelist_write(list, &w);
    jsonw_key(&w, "dangerous_commands_blocked");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++)
        jsonw_str(&w, blocked[i]);
    jsonw_end_array(&w);
    jsonw_kint(&w, "total_containers", *list->master ? 1 : 0);
    call_reply(c, 200, &b, &w);
}

/* ---- would this be allowed? ---- */

/* In the request's arena, as everything that hangs on it. */
struct question {
    const char *argv[LIMIT_LIST + 1];
    const char *env[WHITELIST_ENV + 1];
    bool has_env;
};

static bool no_memory(struct err *e)
{
    return err_set(e, ERR_NO_MEMORY, "no memory for this request");
}

/* One text is cut at each single space: what has two in a row equals no command. */
static bool cut_words(struct call *c, struct question *q, const char *text, struct err *e)
{
    size_t n = 0;
    for (const char *end; n < LIMIT_LIST; text = end + 1) {
        size_t k = strcspn(text, " ");
        end = text + k;
        if (!(q->argv[n++] = arena_strndup(&c->req->arena, text, k)))
            return no_memory(e);
        if (!*end)
            return true;
    }
    return err_field(e, ERR_BAD_REQUEST, "command", "must have at most %d words", LIMIT_LIST);
}

static bool take_command(struct call *c, struct question *q, struct err *e)
{
    const json_t *v = call_json(c, "command");
    size_t i;
    const json_t *one;
    if (json_is_string(v))
        return cut_words(c, q, json_string_value(v), e);
    json_array_foreach(v, i, one) q->argv[i] = json_string_value(one);
    return true;
}

static bool take_env(struct call *c, struct question *q, struct err *e)
{
    const json_t *v = call_json(c, "env");
    const char *key;
    json_t *one;
    size_t n = 0;
    q->has_env = v != NULL;
    json_object_foreach((json_t *)(uintptr_t)v, key, one)
    {
        if (!json_is_string(one) || strchr(key, '='))
            return err_field(e, ERR_BAD_REQUEST, "env", "must be an object of strings");
        if (n == WHITELIST_ENV)
            return err_field(e, ERR_BAD_REQUEST, "env", "must have at most %d members",
                             WHITELIST_ENV);
        q->env[n] = arena_printf(&c->req->arena, "%s=%s", key, json_string_value(one));
        if (!q->env[n++])
            return no_memory(e);
    }
    return true;
}

static void answer(struct call *c, const struct question *q)
{
    const struct whitelist *list = &c->app->aio.whitelist;
    const char *container = call_str(c, "container", "");
    struct err why = {0};
    struct buf b;
    struct jsonw w;
    bool allowed = q->has_env ? whitelist_allows(list, container, q->argv, q->env, &why)
                              : whitelist_command(list, container, q->argv, &why);
    call_begin(c, &b, &w, true);
    jsonw_kbool(&w, "allowed", allowed);
    jsonw_kstr(&w, "container", container);
    jsonw_key(&w, "command");
    jsonw_begin_array(&w);
    for (const char *const *p = q->argv; *p; p++)
        jsonw_str(&w, *p);
    jsonw_end_array(&w);
    if (allowed)
        jsonw_kstr(&w, "message", "the command would be allowed");
    else
        jsonw_kstr(&w, "reason", why.msg);
    if (!allowed)
        jsonw_kstr(&w, "field", why.field);
    call_reply(c, 200, &b, &w);
}

void docker_whitelist_validate(struct call *c)
{
    struct err e;
    struct question *q = arena_alloc(&c->req->arena, sizeof *q);
    if (!q)
        (void)no_memory(&e);
    if (q && take_command(c, q, &e) && take_env(c, q, &e))
        answer(c, q);
    else
        call_error(c, &e);
}
