#include "api/handlers/configs.h"

#include "api/worker.h"
#include "backup/configs/config_facts.h"
#include "backup/configs/config_files.h"
#include "backup/configs/config_mask.h"
#include "base/json.h"
#include "base/mem.h"

#include <string.h>

/* ---- the folder ---- */

struct listing {
    const char *dir;
    struct config_list *list;
    struct buf members; /* JSON of what was found in each file */
    struct err e;
};

static void read_list(void *data)
{
    struct listing *l = data;
    l->list = config_files_list(l->dir, &l->e);
}

static void write_entry(struct jsonw *w, const struct config_entry *n)
{
    jsonw_begin_object(w);
    jsonw_kstr(w, "label", n->label[0] ? n->label : NULL);
    jsonw_kstr(w, "file", n->name);
    jsonw_kint(w, "size", n->size);
    jsonw_kint(w, "mtime", n->mtime);
    jsonw_kstr(w, "etag", n->etag[0] ? n->etag : NULL);
    jsonw_kstr(w, "problem", n->problem[0] ? n->problem : NULL);
    jsonw_end_object(w);
}

static void on_list(struct call *c, void *data)
{
    struct listing *l = data;
    struct buf b;
    struct jsonw w;
    if (!l->list) {
        call_error(c, &l->e);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_key(&w, "configs");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < l->list->count; i++)
        jsonw_str(&w, l->list->entries[i].name);
    jsonw_end_array(&w);
    jsonw_key(&w, "items");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < l->list->count; i++)
        write_entry(&w, &l->list->entries[i]);
    jsonw_end_array(&w);
    jsonw_kint(&w, "left_out", (int64_t)l->list->left_out);
    mem_free(l->list);
    call_reply(c, 200, &b, &w);
}

static void *begin(struct call *c, size_t n)
{
    struct err e;
    void *p = arena_alloc(&c->req->arena, n);
    if (p)
        return p;
    (void)err_set(&e, ERR_NO_MEMORY, "no memory for this request");
    call_error(c, &e);
    return NULL;
}

void configs_list(struct call *c)
{
    struct listing *l = begin(c, sizeof *l);
    if (!l)
        return;
    l->dir = c->app->config->config_dir;
    (void)call_in_worker(c, read_list, on_list, l);
}

/* ---- one file ---- */

struct reading {
    const char *dir, *label;
    bool as_text;
    /* What is told of it, from the masked configuration; in the worker. */
    bool (*tell)(const struct config_mask *m, struct jsonw *w);
    struct config_file file;
    struct buf out; /* members, or the masked text */
    struct err e;
};

static bool tell_config(const struct config_mask *m, struct jsonw *w)
{
    json_t *shown = config_mask_json(m);
    jsonw_key(w, "config");
    bool ok = shown && json_write(shown, w->b);
    w->comma = true;
    json_decref(shown);
    return ok;
}

static void read_one(void *data)
{
    struct reading *r = data;
    struct buf text;
    struct jsonw w;
    struct config_mask *m = NULL;
    buf_init(&text, LIMIT_YAML);
    buf_init(&r->out, LIMIT_REPLY);
    jsonw_init(&w, &r->out);
    if (config_files_read(r->dir, r->label, &r->file, &text, &r->e))
        m = config_mask_new(buf_str(&text), text.n, &r->e);
    if (m && !(r->as_text ? config_mask_text(m, &r->out) : r->tell(m, &w)))
        (void)err_set(&r->e, ERR_NO_MEMORY, "no memory to show the configuration");
    config_mask_free(m);
    buf_wipe(&text);
}

static void on_one(struct call *c, void *data)
{
    struct reading *r = data;
    struct buf b;
    struct jsonw w;
    if (r->e.code != ERR_NONE) {
        buf_done(&r->out);
        call_error(c, &r->e);
        return;
    }
    http_add_header(c->req, "ETag", r->file.etag);
    if (r->as_text) {
        call_send(c, 200, "text/yaml; charset=utf-8", &r->out);
        return;
    }
    call_begin(c, &b, &w, true);
    (void)buf_printf(&b, ",%s", buf_str(&r->out));
    buf_done(&r->out);
    jsonw_kstr(&w, "etag", r->file.etag);
    call_reply(c, 200, &b, &w);
}

static void read_and_tell(struct call *c, bool as_text,
                          bool (*tell)(const struct config_mask *m, struct jsonw *w))
{
    struct reading *r = begin(c, sizeof *r);
    if (!r)
        return;
    r->dir = c->app->config->config_dir;
    r->label = call_str(c, "label", "");
    r->as_text = as_text;
    r->tell = tell;
    (void)call_in_worker(c, read_one, on_one, r);
}

void configs_get(struct call *c)
{
    read_and_tell(c, strcmp(call_str(c, "format", "json"), "yaml") == 0, tell_config);
}

void configs_redacted(struct call *c)
{
    read_and_tell(c, false, tell_config);
}

static bool tell_sources(const struct config_mask *m, struct jsonw *w)
{
    json_t *sources = config_facts_sources(config_mask_root(m));
    jsonw_key(w, "sources");
    bool ok = sources && json_write(sources, w->b);
    w->comma = true;
    json_decref(sources);
    return ok;
}

void configs_sources(struct call *c)
{
    read_and_tell(c, false, tell_sources);
}

/* ---- AIO's name format ---- */

static bool tell_structure(const struct config_mask *m, struct jsonw *w)
{
    const char *format = config_facts_name_format(config_mask_root(m));
    jsonw_kbool(w, "matches", format && strcmp(format, CONFIG_AIO_FORMAT) == 0);
    jsonw_kstr(w, "archive_name_format", format);
    jsonw_kstr(w, "required", CONFIG_AIO_FORMAT);
    return true;
}

void configs_aio_structure(struct call *c)
{
    read_and_tell(c, false, tell_structure);
}

static void structure_of(const struct listing *l, const struct config_entry *n, struct jsonw *w)
{
    struct config_file *f = mem_zalloc(sizeof *f);
    AUTO_FREE char *path = mem_printf("%s/%s", l->dir, n->name);
    struct buf text;
    struct err e = {0};
    buf_init(&text, LIMIT_YAML);
    struct yaml *y = NULL;
    if (f && path && config_files_read_path(path, f, &text, &e))
        y = yaml_doc_parse(buf_str(&text), text.n, &e);
    const char *format = y && yaml_doc_root(y) ? config_facts_name_format(yaml_doc_root(y)) : NULL;
    jsonw_begin_object(w);
    jsonw_kstr(w, "file", n->name);
    jsonw_kstr(w, "label", n->label[0] ? n->label : NULL);
    jsonw_kbool(w, "ok", format && strcmp(format, CONFIG_AIO_FORMAT) == 0);
    jsonw_kstr(w, "archive_name_format", format);
    jsonw_kstr(w, "problem", e.code != ERR_NONE ? e.msg : n->problem[0] ? n->problem : NULL);
    jsonw_end_object(w);
    yaml_doc_free(y);
    buf_wipe(&text);
    mem_free(f);
}

static void read_structures(void *data)
{
    struct listing *l = data;
    struct jsonw w;
    buf_init(&l->members, LIMIT_REPLY);
    jsonw_init(&w, &l->members);
    l->list = config_files_list(l->dir, &l->e);
    jsonw_begin_array(&w);
    for (size_t i = 0; l->list && i < l->list->count; i++)
        structure_of(l, &l->list->entries[i], &w);
    jsonw_end_array(&w);
}

static void on_structures(struct call *c, void *data)
{
    struct listing *l = data;
    struct buf b;
    struct jsonw w;
    if (!l->list) {
        buf_done(&l->members);
        call_error(c, &l->e);
        return;
    }
    call_begin(c, &b, &w, true);
    jsonw_kraw(&w, "results", buf_str(&l->members));
    jsonw_kstr(&w, "required", CONFIG_AIO_FORMAT);
    buf_done(&l->members);
    mem_free(l->list);
    call_reply(c, 200, &b, &w);
}

void configs_aio_structure_all(struct call *c)
{
    struct listing *l = begin(c, sizeof *l);
    if (!l)
        return;
    l->dir = c->app->config->config_dir;
    (void)call_in_worker(c, read_structures, on_structures, l);
}
