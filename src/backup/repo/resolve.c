#include "backup/repo/resolve.h"

#include "backup/repo/resolve_cache.h"
#include "backup/repo/resolve_question.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>
#include <sys/stat.h>

struct waiter {
    struct waiter *next;
    resolve_done done;
    void *arg;
};

/* One question under way, or an answer from the cache on its way out. */
struct pending {
    struct pending *next;
    struct resolve *owner;
    struct resolve_key key;
    struct waiter *waiters;
    struct resolve_question *question; /* NULL when the answer is there already */
    struct resolved *res;
    struct err err;
    uv_timer_t timer; /* delivers an answer that is there already */
};

struct resolve {
    uv_loop_t *loop;
    char *state_dir, *path;
    const char *const *env;
    struct resolve_cache *cache;
    struct pending *pending;
};

struct resolve *resolve_new(uv_loop_t *loop, const struct resolve_settings *set)
{
    struct resolve *r = mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    r->loop = loop;
    r->env = set->env;
    r->state_dir = mem_strdup(set->state_dir);
    r->path = mem_strdup(set->path);
    r->cache = resolve_cache_new();
    if (r->state_dir && r->path && r->cache)
        return r;
    resolve_free(r);
    return NULL;
}

static void on_closed(uv_handle_t *h)
{
    struct pending *p = h->data;
    resolve_key_done(&p->key);
    mem_free(p);
}

/* Takes p out of the list and gives up what it still does. Its waiters are the caller's. */
static void pending_end(struct pending *p)
{
    for (struct pending **at = &p->owner->pending; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    resolve_question_free(p->question);
    resolved_unref(p->res);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void drop_waiters(struct pending *p)
{
    for (struct waiter *w; (w = p->waiters) != NULL;) {
        p->waiters = w->next;
        mem_free(w);
    }
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    while (r->pending) {
        drop_waiters(r->pending);
        pending_end(r->pending);
    }
    resolve_cache_free(r->cache);
    mem_free(r->state_dir);
    mem_free(r->path);
    mem_free(r);
}

/* The callbacks may ask anew, cancel others, or free the whole resolve. */
static void deliver(struct pending *p)
{
    struct resolved *res = TAKE(p->res);
    struct err e = p->err;
    struct waiter *waiters = TAKE(p->waiters);
    pending_end(p);
    for (struct waiter *w; (w = waiters) != NULL;) {
        waiters = w->next;
        w->done(w->arg, res ? resolved_ref(res) : NULL, res ? NULL : &e);
        mem_free(w);
    }
    resolved_unref(res);
}

static void on_timer(uv_timer_t *t)
{
    deliver(t->data);
}

static void on_answer(void *arg, struct resolved *res, const struct err *e)
{
    struct pending *p = arg;
    struct resolve *r = p->owner;
    if (res) {
        p->res = resolved_ref(res);
        resolve_cache_put(r->cache, &p->key, res, uv_now(r->loop));
    } else {
        p->err = *e;
    }
    deliver(p);
}

static bool add_waiter(struct pending *p, resolve_done done, void *arg)
{
    struct waiter *w = mem_zalloc(sizeof *w);
    struct waiter **at = &p->waiters;
    if (!w)
        return false;
    *w = (struct waiter){.done = done, .arg = arg};
    while (*at)
        at = &(*at)->next;
    *at = w;
    return true;
}

static void start(struct pending *p, const struct borgmatic_tools *tools)
{
    struct resolve *r = p->owner;
    const struct resolve_question_spec spec = {.state_dir = r->state_dir,
                                               .env = r->env,
                                               .path = r->path,
                                               .file = p->key.file,
                                               .tools = tools,
                                               .done = on_answer,
                                               .arg = p};
    p->res = resolve_cache_get(r->cache, &p->key, uv_now(r->loop));
    if (!p->res)
        p->question = resolve_question_start(r->loop, &spec, &p->err);
    if (!p->question)
        (void)uv_timer_start(&p->timer, on_timer, 0, 0);
}

/* The question of the same file in the same state that is under way, or a new one. */
static struct pending *find_or_start(struct resolve *r, const struct borgmatic_tools *tools,
                                     struct resolve_key *key, const struct err *broken)
{
    for (struct pending *p = r->pending; p; p = p->next)
        if (!broken && p->question && resolve_key_equal(&p->key, key)) {
            resolve_key_done(key);
            return p;
        }
    struct pending *p = mem_zalloc(sizeof *p);
    if (!p) {
        resolve_key_done(key);
        return NULL;
    }
    p->owner = r;
    p->key = *key;
    p->next = r->pending;
    r->pending = p;
    (void)uv_timer_init(r->loop, &p->timer);
    p->timer.data = p;
    if (broken) {
        p->err = *broken;
        (void)uv_timer_start(&p->timer, on_timer, 0, 0);
    } else {
        start(p, tools);
    }
    return p;
}

void resolve_config(struct resolve *r, const struct borgmatic_tools *tools, const char *file,
                    resolve_done done, void *arg)
{
    struct err e = {0};
    struct resolve_key key;
    bool ok = resolve_key_make(&key, tools, file, &e);
    struct pending *p = find_or_start(r, tools, &key, ok ? NULL : &e);
    if (p && add_waiter(p, done, arg))
        return;
    /* Memory is gone to the last byte: the one case in which the answer comes from inside. */
    (void)err_set(&e, ERR_NO_MEMORY, "no memory to ask what the configuration means");
    done(arg, NULL, &e);
}

void resolve_cancel(struct resolve *r, void *arg)
{
    for (struct pending *p = r->pending; p; p = p->next)
        for (struct waiter **at = &p->waiters; *at;) {
            struct waiter *w = *at;
            if (w->arg != arg) {
                at = &w->next;
                continue;
            }
            *at = w->next;
            mem_free(w);
        }
}
