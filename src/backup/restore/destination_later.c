/* The destination's work on a worker thread. */
#include "backup/restore/destination.h"
#include "base/mem.h"
#include "limits.h"

#include <string.h>

/* ---- opening ---- */

struct opening {
    uv_work_t work;
    struct destination_rules rules;
    char *roots, *state_dir, *config_dir, *aio_config_file, *field, *path;
    char *repositories[LIMIT_REPOS];
    enum destination_kind kind;
    struct destination found;
    struct err why;
    bool ok;
    destination_opened done;
    void *arg;
};

static void opening_free(struct opening *o)
{
    char *const texts[] = {o->roots,           o->state_dir, o->config_dir,
                           o->aio_config_file, o->field,     o->path};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mem_free(texts[i]);
    for (size_t i = 0; i < LIMIT_REPOS; i++)
        mem_free(o->repositories[i]);
    mem_free(o);
}

static void open_it(uv_work_t *w)
{
    struct opening *o = w->data;
    o->ok = destination_open(&o->rules, o->path, o->kind, &o->found, &o->why);
}

static void opened(uv_work_t *w, int status)
{
    struct opening *o = w->data;
    if (!o->ok && o->why.code == ERR_NONE)
        (void)err_set(&o->why, ERR_UNAVAILABLE, "the destination cannot be looked at");
    o->done(o->arg, &o->found, o->ok ? NULL : &o->why);
    opening_free(o);
}

static bool copy_rules(struct opening *o, const struct destination_rules *r, const char *path)
{
    o->roots = mem_strdup(r->roots ? r->roots : "");
    o->state_dir = mem_strdup(r->state_dir ? r->state_dir : "");
    o->config_dir = mem_strdup(r->config_dir ? r->config_dir : "");
    o->aio_config_file = mem_strdup(r->aio_config_file ? r->aio_config_file : "");
    o->field = mem_strdup(r->field);
    o->path = mem_strdup(path);
    bool whole = o->roots && o->state_dir && o->config_dir && o->aio_config_file && o->field &&
                 o->path && r->repository_count <= LIMIT_REPOS;
    for (size_t i = 0; whole && i < r->repository_count; i++)
        whole = (o->repositories[i] = mem_strdup(r->repositories[i])) != NULL;
    o->rules = (struct destination_rules){.roots = o->roots,
                                          .state_dir = o->state_dir,
                                          .config_dir = o->config_dir,
                                          .aio_config_file = o->aio_config_file,
                                          .repositories = (const char *const *)o->repositories,
                                          .repository_count = r->repository_count,
                                          .field = o->field};
    return whole;
}

bool destination_open_later(uv_loop_t *loop, const struct destination_rules *rules,
                            const char *path, enum destination_kind kind, destination_opened done,
                            void *arg)
{
    struct opening *o = mem_zalloc(sizeof *o);
    if (!o)
        return false;
    o->work.data = o;
    o->kind = kind;
    o->found.fd = -1;
    o->done = done;
    o->arg = arg;
    if (copy_rules(o, rules, path) && uv_queue_work(loop, &o->work, open_it, opened) == 0)
        return true;
    opening_free(o);
    return false;
}

/* ---- giving up ---- */

struct dropping {
    uv_work_t work;
    struct destination d;
};

static void drop_it(uv_work_t *w)
{
    struct dropping *p = w->data;
    destination_discard(&p->d);
}

static void dropped(uv_work_t *w, int status)
{
    mem_free(w->data);
}

void destination_drop(uv_loop_t *loop, struct destination *d)
{
    struct dropping *p = d->fd < 0 ? NULL : mem_zalloc(sizeof *p);
    if (!p) {
        destination_close(d);
        return;
    }
    p->work.data = p;
    p->d = *d;
    if (uv_queue_work(loop, &p->work, drop_it, dropped) == 0) {
        d->fd = -1;
        return;
    }
    mem_free(p);
    destination_close(d);
}
